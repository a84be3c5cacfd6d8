import { type State, states } from '../../incidents/workflow.ts'
import type { IncidentDetailAnswer } from './answers.ts'
import { listField } from './change-fields.ts'
import { type Call, sayJson, textOption, UsageError } from './command.ts'
import type { Hub } from './hub.ts'
import { otherWorks } from './incident-others.ts'
import { panelWorks } from './incident-panels.ts'
import { incidentPath } from './incident-path.ts'
import { factValue, type PublishedKinds } from './incident-value.ts'
import { localTime, plain, table } from './render.ts'

interface WorkflowAnswer {
  readonly workflow: {
    readonly state: string
    readonly roles: readonly { readonly role: string; readonly people: readonly string[] }[]
    readonly mine: readonly string[]
    readonly steps: readonly {
      readonly to: string
      readonly roles: readonly string[]
      readonly missing: readonly { readonly text: string }[]
    }[]
    readonly owed: readonly {
      readonly what: string
      readonly text: string
      readonly by: string
      readonly dueAt?: string
    }[]
  }
}

interface Answer {
  readonly incident: IncidentDetailAnswer
}

type Work = (call: Call, hub: Hub, id: string, words: readonly string[]) => Promise<void>

/** What is done with one incident: `callward incident 12 WORD …`. */
export const works: Readonly<Record<string, Work>> = {
  ...otherWorks,
  ...panelWorks,
  next: showNext,
  async ack(call, hub, id, [note]) {
    await hub.call('POST', `${incidentPath(id)}/acknowledge`, note === undefined ? {} : { note })
    call.say('Acknowledged.')
  },
  async note(call, hub, id, words) {
    const text = needed(words[0], 'note "TEXT"')
    await hub.call('POST', `${incidentPath(id)}/notes`, { text })
    call.say('Written.')
  },
  async take(call, hub, id, [role, person]) {
    const part = needed(role, 'take ROLE [PERSON]')
    const who = person ?? (await whoAmI(hub))
    const value = { text: `${who} takes the part ${part}.`, role: part, person: who }
    await hub.call('POST', `${incidentPath(id)}/facts`, { facts: [{ kind: 'role', value }] })
    call.say(`${plain(who)} is ${part} of this incident.`)
  },
  async fact(call, hub, id, words) {
    const fact = await factOf(call, hub, id, words)
    await hub.call('POST', `${incidentPath(id)}/facts`, { facts: [fact] })
    call.say('Written.')
  },
  async step(call, hub, id, [to, kind, ...words]) {
    const state = needed(to, 'step STATE --as ROLE [KIND "TEXT" FIELD=VALUE …]')
    const role = textOption(call, 'as')
    if (role === undefined)
      throw new UsageError('Say in which part: --as commander. See: callward incident N next')
    const facts = kind === undefined ? [] : [await factOf(call, hub, id, [kind, ...words])]
    const body = { to: state, role, ...(facts.length === 0 ? {} : { with: facts }) }
    const { incident } = await hub.call<Answer>('POST', `${incidentPath(id)}/steps`, body)
    call.say(`Incident #${incident.number} is ${incident.workflowState}.`)
  },
  async 'post-mortem'(call, hub, id) {
    const query = new URLSearchParams({
      format: textOption(call, 'format') ?? 'markdown',
      language: textOption(call, 'language') ?? 'en',
      zone: textOption(call, 'zone') ?? Intl.DateTimeFormat().resolvedOptions().timeZone,
    })
    const response = await hub.stream('GET', `${incidentPath(id)}/post-mortem?${query}`)
    call.say((await response.text()).trimEnd())
  },
}

/** `callward incident record "TEXT" --service hotline`. */
export async function record(call: Call, hub: Hub, words: readonly string[]): Promise<void> {
  const phenomenon = needed(words[0], 'record "WHAT WAS SEEN" --service NAME')
  const services = listField(textOption(call, 'service'))
  if (services.length === 0) throw new UsageError('Name the service: --service hotline')
  const given = (name: string, value: unknown) => (value === undefined ? {} : { [name]: value })
  const hosts = listField(textOption(call, 'host'))
  const body = {
    ...{ phenomenon, services },
    ...(hosts.length === 0 ? {} : { hosts }),
    ...given('severity', textOption(call, 'severity')),
    ...given('occurredAt', textOption(call, 'since')),
    ...given('cause', textOption(call, 'cause')),
  }
  const answer = await hub.call<Answer>('POST', '/api/v1/incidents', body)
  if (call.values.json === true) sayJson(call, answer)
  else
    call.say(
      `Recorded as #${answer.incident.number}. Go on with: callward incident ${answer.incident.number} next`,
    )
}

/** `callward incident kinds [KIND]`. */
export async function showKinds(call: Call, hub: Hub, [kind]: readonly string[]): Promise<void> {
  const { kinds, rootCauses } = await hub.call<PublishedKinds>('GET', '/api/v1/workflow')
  if (kind === undefined) {
    table(
      call,
      ['KIND', 'HOLDS'],
      Object.entries(kinds).map(([name, { holds }]) => [name, holds]),
    )
    return
  }
  const spec = kinds[kind]
  if (spec === undefined)
    throw new UsageError(
      `There is no kind "${kind}" of facts. List them with: callward incident kinds`,
    )
  call.say(`${kind}: ${spec.holds}`)
  table(call, ['FIELD', 'WANTS'], Object.entries(spec.fields))
  if (Object.values(spec.fields).some((wants) => wants.includes('kinds root_cause')))
    table(call, ['CODE', 'ROOT CAUSE'], Object.entries(rootCauses))
}

async function showNext(call: Call, hub: Hub, id: string): Promise<void> {
  const answer = await hub.call<WorkflowAnswer>('GET', `${incidentPath(id)}/workflow`)
  if (call.values.json === true) {
    sayJson(call, answer)
    return
  }
  const { state, roles, mine, steps, owed } = answer.workflow
  call.say(`It is ${state}.`)
  for (const { role, people } of roles)
    call.say(`  ${role.padEnd(20)} ${people.map(plain).join(', ')}`)
  call.say(
    mine.length === 0
      ? 'You have no part in it; take one: callward incident N take commander'
      : `Your parts: ${mine.join(', ')}.`,
  )
  const next: string | undefined = states[state as State]?.next
  for (const step of steps.filter(({ to }) => to === next)) showStep(call, step)
  const rare = steps.filter(({ to }) => to !== next)
  if (rare.length > 0) call.say('\nSeldom needed')
  for (const step of rare) showStep(call, step)
  const due = owed.filter(({ what }) => what !== 'step')
  if (due.length > 0) call.say('\nOwed')
  for (const one of due)
    call.say(
      `  ${one.what}  ${plain(one.text)}  by ${plain(one.by)}${one.dueAt === undefined ? '' : `, due ${localTime(one.dueAt)}`}`,
    )
}

/** Who did it, in facts in which that is whoever writes them, unless another name is given; the console's forms begin with it too. */
const doers: Readonly<Record<string, string>> = { arrived: 'technician', mitigated: 'fixer' }

async function whoAmI(hub: Hub): Promise<string> {
  return (await hub.call<{ name: string }>('GET', '/api/v1/me')).name
}

function showStep(call: Call, step: WorkflowAnswer['workflow']['steps'][number]): void {
  call.say(`\n-> ${step.to}  (${step.roles.join(', ')})`)
  if (step.missing.length === 0) call.say('   ready')
  for (const { text } of step.missing) call.say(`   missing: ${plain(text)}`)
}

async function factOf(call: Call, hub: Hub, id: string, [kind, text, ...words]: readonly string[]) {
  const name = needed(kind, 'fact KIND "TEXT" [FIELD=VALUE …]')
  const published = await hub.call<PublishedKinds>('GET', '/api/v1/workflow')
  const [at, corrected] = [textOption(call, 'at'), textOption(call, 'supersedes')]
  const doer = doers[name]
  // Who corrects a fact is not the one it names.
  const named = corrected !== undefined || words.some((word) => word.startsWith(`${doer}=`))
  const self = doer === undefined || named ? [] : [`${doer}=${await whoAmI(hub)}`]
  const given = factValue(published, name, needed(text, `fact ${name} "TEXT"`), [...words, ...self])
  const [value, supersedes] = await withIds(hub, id, given, corrected)
  return {
    ...{ kind: name, value },
    ...(call.values['estimate'] === true ? { certainty: 'estimate' } : {}),
    ...(at === undefined ? {} : { occurredAt: at }),
    ...(supersedes === undefined ? {} : { supersedes }),
  }
}

/** Numbers of facts, as the record shows them, become their ids: in `evidence` and for what is superseded. */
async function withIds(
  hub: Hub,
  id: string,
  value: Readonly<Record<string, unknown>>,
  supersedes: string | undefined,
): Promise<readonly [Readonly<Record<string, unknown>>, string | undefined]> {
  const { evidence } = value
  const named = Array.isArray(evidence) ? evidence.map(String) : []
  if (![...named, supersedes ?? ''].some((one) => factNumber.test(one))) return [value, supersedes]
  const { incident } = await hub.call<Answer>('GET', incidentPath(id))
  const idOf = (name: string) => {
    const number = Number(factNumber.exec(name)?.[1])
    if (Number.isNaN(number)) return name
    const fact = incident.facts.find(({ sequence }) => sequence === number)
    if (fact !== undefined) return fact.id
    throw new UsageError(
      `Incident ${incident.number} has no fact ${number}; callward incident ${incident.number} shows their numbers.`,
    )
  }
  return [
    { ...value, ...(named.length === 0 ? {} : { evidence: named.map(idOf) }) },
    supersedes === undefined ? undefined : idOf(supersedes),
  ]
}

/** As `3` or `#3`. */
const factNumber = /^#?(\d{1,5})$/

function needed(word: string | undefined, usage: string): string {
  if (word === undefined) throw new UsageError(`Something is missing: callward incident N ${usage}`)
  return word
}
