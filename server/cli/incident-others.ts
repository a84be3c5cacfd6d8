import { type Call, CommandError, sayJson, textOption, UsageError } from './command.ts'
import type { Hub } from './hub.ts'
import { incidentPath } from './incident-path.ts'
import { localTime, plain, table } from './render.ts'

type Work = (call: Call, hub: Hub, id: string, words: readonly string[]) => Promise<void>

interface Clock {
  readonly title: string
  readonly state: string
  readonly deadline: string | null
  readonly satisfiedAt: string | null
  readonly citation: { readonly document: string; readonly article: string }
}
interface Assignment {
  readonly fact: string
  readonly technician: string
  readonly state: string
  readonly answerBy: string
  readonly text: string
}
interface Notice {
  readonly audience: string
  readonly form: string
  readonly version: number
  readonly state: string
  readonly writtenBy: string
  readonly approvedBy: string | null
  readonly sentAt: string | null
  readonly title: string
  readonly deliveries: readonly { readonly recipient: string; readonly state: string }[]
}

/** Time limits, technicians, notices and evidence of one incident. */
export const otherWorks: Readonly<Record<string, Work>> = {
  async clocks(call, hub, id) {
    const answer = await hub.call<{
      regimes: readonly { title: string; inForce: boolean; clocks: readonly Clock[] }[]
    }>('GET', `${incidentPath(id)}/clocks`)
    if (call.values.json === true) return sayJson(call, answer)
    const rows = answer.regimes
      .filter(({ inForce }) => inForce)
      .flatMap(({ clocks }) => clocks)
      .filter(({ state }) => state !== 'not applicable')
      .map((one) => [
        plain(one.title),
        one.state,
        localTime(one.deadline),
        localTime(one.satisfiedAt),
        plain(`${one.citation.document}, ${one.citation.article}`),
      ])
    table(call, ['CLOCK', 'STATE', 'DUE', 'MET', 'BECAUSE OF'], rows)
  },
  async assign(call, hub, id, [technician, text]) {
    const said = text ?? 'Please take this incident.'
    const body = technician === undefined ? { text: said } : { technician, text: said }
    const { assignment } = await hub.call<{ assignment: Assignment }>(
      'POST',
      `${incidentPath(id)}/assignments`,
      body,
    )
    call.say(
      `${plain(assignment.technician)} was asked, to answer by ${localTime(assignment.answerBy)}: ${plain(assignment.text)}`,
    )
  },
  async assignments(call, hub, id) {
    const answer = await hub.call<{ assignments: readonly Assignment[] }>(
      'GET',
      `${incidentPath(id)}/assignments`,
    )
    if (call.values.json === true) return sayJson(call, answer)
    const rows = answer.assignments.map((one) => [
      plain(one.technician),
      one.state,
      localTime(one.answerBy),
      plain(one.text),
    ])
    table(call, ['TECHNICIAN', 'STATE', 'ANSWER BY', 'ASKED'], rows)
  },
  accept: (call, hub, id) => answerTo(call, hub, id, 'accept', {}),
  decline: (call, hub, id, [reason]) => {
    if (reason === undefined)
      throw new UsageError('Say why: callward incident N decline "I am at another site."')
    return answerTo(call, hub, id, 'decline', { reason })
  },
  async notice(call, hub, id, [audience, form, text]) {
    if (audience === undefined || form === undefined)
      throw new UsageError(
        'Say to whom and which: callward incident N notice management update ["TEXT"] (--preview shows it only)',
      )
    const language = textOption(call, 'language') ?? 'en'
    const body = { audience, form, language, ...(text === undefined ? {} : { text }) }
    if (call.values['preview'] === true) {
      const shown = await hub.call<{ title: string; text: string; missing: readonly string[] }>(
        'POST',
        `${incidentPath(id)}/notices/preview`,
        body,
      )
      call.say(plain(shown.title))
      call.say(shown.text.split('\n').map(plain).join('\n'))
      for (const one of shown.missing) call.say(`not known yet: ${plain(one)}`)
      return
    }
    const { notice } = await hub.call<{ notice: Notice }>(
      'POST',
      `${incidentPath(id)}/notices`,
      body,
    )
    call.say(
      notice.state === 'waiting'
        ? 'Written. It waits for another person: callward approvals'
        : `Sent to ${notice.deliveries.length} receivers.`,
    )
  },
  async notices(call, hub, id) {
    const answer = await hub.call<{
      communication: {
        nextUpdateDueAt: string | null
        overdue: boolean
        notices: readonly Notice[]
      }
    }>('GET', `${incidentPath(id)}/communication`)
    if (call.values.json === true) return sayJson(call, answer)
    const { nextUpdateDueAt, overdue, notices } = answer.communication
    call.say(
      nextUpdateDueAt === null
        ? 'No update is promised.'
        : `The next update is due ${localTime(nextUpdateDueAt)}${overdue ? ': OVERDUE' : ''}.`,
    )
    const rows = notices.map((one) => [
      `${one.audience} ${one.form}`,
      String(one.version),
      one.state,
      localTime(one.sentAt),
      plain(one.writtenBy),
      plain(one.approvedBy ?? '-'),
      plain(one.title),
    ])
    table(call, ['NOTICE', 'VERSION', 'STATE', 'SENT', 'BY', 'APPROVED BY', 'TITLE'], rows)
  },
  async evidence(call, hub, id, [hash]) {
    if (hash !== undefined) {
      const response = await hub.stream(
        'GET',
        `${incidentPath(id)}/evidence/${encodeURIComponent(hash)}`,
      )
      call.say((await response.text()).trimEnd())
      return
    }
    const answer = await hub.call<{
      evidence: readonly { hash: string; about: string; at: string; bytes: number }[]
    }>('GET', `${incidentPath(id)}/evidence`)
    if (call.values.json === true) return sayJson(call, answer)
    const rows = answer.evidence.map((one) => [
      localTime(one.at),
      plain(one.about),
      String(one.bytes),
      one.hash,
    ])
    table(call, ['FROZEN', 'SHOWS', 'BYTES', 'SHA-256'], rows)
  },
}

/** Answers the question that waits for whoever asks. */
async function answerTo(
  call: Call,
  hub: Hub,
  id: string,
  how: string,
  body: object,
): Promise<void> {
  const { name } = await hub.call<{ name: string }>('GET', '/api/v1/me')
  const { assignments } = await hub.call<{ assignments: readonly Assignment[] }>(
    'GET',
    `${incidentPath(id)}/assignments`,
  )
  const mine = assignments.findLast(
    ({ technician, state }) => technician === name && state === 'waiting',
  )
  if (mine === undefined)
    throw new CommandError(`Nothing waits for ${plain(name)} in this incident.`)
  await hub.call(
    'POST',
    `${incidentPath(id)}/assignments/${encodeURIComponent(mine.fact)}/${how}`,
    body,
  )
  call.say(how === 'accept' ? 'Accepted.' : 'Declined; the next one is asked.')
}
