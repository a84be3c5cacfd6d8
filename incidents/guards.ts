import { type Fact, hubActor, type Millis, specOf } from './facts.ts'
import { disorder } from './order.ts'
import {
  authors,
  current,
  fixers,
  lastStep,
  live,
  type Picture,
  recovery,
  said,
} from './picture.ts'
import { type Refusal, type RefusalCode, type RefusalParams, refusal } from './refusals.ts'
import { additionalCauses } from './root-causes.ts'
import { type GuardName, type Role, type State, times } from './workflow.ts'

/** A step that somebody wants to take. */
export interface Move {
  readonly to: State
  readonly by: string
  readonly role: Role
  readonly at: Millis
}

type Guard = (picture: Picture, move: Move) => readonly Refusal[]

const need = (there: boolean, code: RefusalCode, params?: RefusalParams): readonly Refusal[] =>
  there ? [] : [refusal(code, params)]
const minutes = (millis: number) => Math.floor(millis / 60_000)

const recoveredAt: Guard = (picture) => need(recovery(picture) !== undefined, 'recovered_missing')

const machineEvidence: Guard = (picture) => {
  const fact = recovery(picture)
  if (fact?.value.evidence !== 'machine') return [refusal('machine_evidence_missing')]
  const green = fact.value.greenMillis ?? 0
  return [
    ...need(fact.recordedBy === hubActor, 'machine_evidence_by', { person: fact.recordedBy }),
    ...need(green >= times.greenMillis, 'green_too_short', {
      ...{ minutes: minutes(green), needed: minutes(times.greenMillis) },
    }),
    ...holding(picture).map((rule) => refusal('alert_fires', { rule })),
  ]
}

/** Rules of the alerts that fire by the facts and hold the recovery. Facts from before severities were written say nothing of it. */
function holding(picture: Picture): readonly string[] {
  const firing = new Map<string, string>()
  for (const { kind, value } of picture.facts) {
    if (kind === 'alert_resolved' && value.fingerprint !== undefined)
      firing.delete(value.fingerprint)
    if (kind !== 'alert_fired' || value.fingerprint === undefined) continue
    if (value.severity !== undefined && value.related !== true)
      firing.set(value.fingerprint, value.rule ?? value.fingerprint)
  }
  return [...new Set(firing.values())]
}

const recoveryProven: Guard = (picture, move) => {
  const fact = recovery(picture)
  if (fact === undefined) return [] // which `recovered_at` says
  if (fact.value.evidence === 'machine') return machineEvidence(picture, move)
  const { verifier } = fact.value
  if (verifier === undefined) return [refusal('verifier_missing')]
  if (fixers(picture).has(verifier)) return [refusal('verifier_is_fixer', { person: verifier })]
  return need(verifier === fact.recordedBy, 'verifier_in_person', {
    ...{ person: verifier, by: fact.recordedBy },
  })
}

const arrived: Guard = (picture) => {
  const accepted = new Set(said(picture, 'accepted').map(({ value }) => value.technician))
  const came = said(picture, 'arrived').map(({ value }) => value.technician)
  if (came.some((technician) => accepted.has(technician))) return []
  return came.length === 0
    ? [refusal('nobody_arrived')]
    : came.map((person) => refusal('arrived_unaccepted', { person }))
}

const rootCauseCoded: Guard = (picture) => {
  const fact = said(picture, 'root_cause').at(-1)
  if (fact === undefined) return [refusal('root_cause_missing')]
  const unclear = fact.value.codes.filter(
    (code) =>
      additionalCauses[code] !== undefined &&
      !Object.keys(additionalCauses[code]).some((one) => fact.value.additional?.includes(one)),
  )
  return unclear.map((cause) => refusal('cause_level_missing', { cause }))
}

const actionsOwned: Guard = (picture) =>
  said(picture, 'action').flatMap(({ value: { number, owner, dueAt } }) => [
    ...need(owner !== undefined, 'action_without_owner', { number }),
    ...need(dueAt !== undefined, 'action_without_due', { number }),
  ])

const questions = ['promptness', 'analysis_quality', 'escalation', 'communication'] as const

const fourQuestions: Guard = (picture) => {
  const answered = new Set(said(picture, 'answer').map(({ value }) => value.question))
  return questions
    .filter((question) => !answered.has(question))
    .map((question) => refusal('question_unanswered', { question }))
}

/** Duties that are neither met nor waived. */
export function openDuties(picture: Picture): ReturnType<typeof said<'duty_owed'>> {
  const settled = new Set(
    [...said(picture, 'duty_met'), ...said(picture, 'duty_waived')].map(({ value }) => value.duty),
  )
  return said(picture, 'duty_owed').filter(({ value }) => !settled.has(value.duty))
}

const dutiesSettled: Guard = (picture) => {
  const known = [...said(picture, 'duty_owed'), ...said(picture, 'duty_waived')]
  const major = said(picture, 'major').at(-1)?.value.major === true
  return [
    ...openDuties(picture).map(({ value: { duty, regime } }) =>
      refusal('duty_open', { duty, regime }),
    ),
    ...need(!major || known.length > 0, 'major_without_duty'),
  ]
}

const customersTold: Guard = (picture) => {
  const closing = said(picture, 'notice').filter(
    ({ value }) => value.audience === 'customers' && value.form === 'closing',
  )
  return need(
    closing.length > 0 || said(picture, 'notice_not_needed').length > 0,
    'customers_not_told',
  )
}

const attested: Guard = (picture, { by }) => {
  const last = said(picture, 'attestation').findLast(({ recordedBy }) => recordedBy === by)
  if (last === undefined)
    return [by === '' ? refusal('reviewer_not_attested') : refusal('not_attested', { person: by })]
  const changed = picture.facts
    .slice(picture.facts.findIndex(({ id }) => id === last.id) + 1)
    .filter((fact) => specOf(fact.kind).attested === true)
  return changed.map(({ kind, id }) => refusal('changed_after_attestation', { kind, fact: id }))
}

/** Steps the hub takes, or took before there was a workflow. */
const byPerson = (picture: Picture): readonly Refusal[] => [
  ...picture.steps
    .filter(({ by }) => by !== hubActor)
    .map(({ by, to }) => refusal('moved_by', { person: by, state: to })),
  ...(['severity', 'major', 'root_cause', 'duty_owed', 'action', 'assigned', 'accepted'] as const)
    .flatMap((kind) => said(picture, kind) as readonly Fact[])
    .map(({ kind, recordedBy }) => refusal('written_by', { person: recordedBy, kind })),
]

const notGrave: Guard = (picture) => {
  const severity = said(picture, 'severity').at(-1)?.value.severity
  return [
    ...need(said(picture, 'major').at(-1)?.value.major !== true, 'is_major'),
    ...(severity === 'sev1' || severity === 'sev2' ? [refusal('is_grave', { severity })] : []),
  ]
}

const relapsedAt = (picture: Picture) => {
  const restored = picture.steps.findLast(({ to }) => to === 'restored')
  const fact = said(picture, 'relapse').at(-1)
  if (restored === undefined || fact === undefined) return undefined
  const position = picture.facts.findIndex(({ id }) => id === fact.id)
  return position > restored.position ? { at: fact.occurredAt, restored } : undefined
}

const insideStability: Guard = (picture) => {
  const relapse = relapsedAt(picture)
  if (relapse === undefined) return [] // which `relapse_seen` says
  const recovered = recovery(picture)?.occurredAt ?? relapse.restored.at
  const after = relapse.at - recovered
  return need(after >= 0 && after <= times.stabilityMillis, 'relapse_too_late', {
    ...{ minutes: minutes(after), within: minutes(times.stabilityMillis) },
  })
}

/** Whether somebody was at it before the last recovery. */
function investigated(picture: Picture): boolean {
  return picture.steps.findLast(({ to }) => to === 'restored')?.from === 'investigating'
}

const quietLongEnough: Guard = (picture, { at }) => {
  const restored = picture.steps.findLast(({ to }) => to === 'restored')
  const since = recovery(picture)?.occurredAt ?? restored?.at
  const quiet = since === undefined ? 0 : at - since
  return need(quiet >= times.unattendedMillis, 'not_quiet_yet', {
    ...{ hours: Math.floor(quiet / 3_600_000), needed: times.unattendedMillis / 3_600_000 },
  })
}

const sentBack: Guard = (picture, { by }) => {
  const from = lastStep(picture, 'submit')?.position ?? 0
  return need(
    picture.facts.slice(from).some(({ kind, recordedBy }) => kind === 'note' && recordedBy === by),
    'note_of_reviewer_missing',
  )
}

/** The code behind the published names: what is missing; nothing when the guard lets pass. */
export const guardCode: Readonly<Record<GuardName, Guard>> = {
  phenomenon: (p) => need(said(p, 'phenomenon').length > 0, 'phenomenon_missing'),
  detected_at: (p) => need(said(p, 'detected').length > 0, 'detected_missing'),
  affected_service: (p) =>
    need((current(p, 'impact')?.value.services?.length ?? 0) > 0, 'service_missing'),
  preliminary_cause: (p) =>
    need(live(p, 'preliminary_cause').length > 0, 'preliminary_cause_missing'),
  plan_pinned: (p) => need(said(p, 'plan_activated').length > 0, 'plan_missing'),
  technician_accepted: (p) => {
    if (said(p, 'accepted').length > 0) return []
    const assigned = said(p, 'assigned').at(-1)?.value.technician
    return [
      assigned === undefined
        ? refusal('technician_missing')
        : refusal('technician_not_accepted', { person: assigned }),
    ]
  },
  arrived,
  recovered_at: recoveredAt,
  recovery_proven: recoveryProven,
  machine_evidence: (p, move) => (recovery(p) === undefined ? [] : machineEvidence(p, move)),
  // People's instants, which the hub cannot mend, do not hold what a machine saw; closing asks them of people.
  instants_in_order: (p, { role }) => (role === 'hub' ? [] : disorder(p)),
  relapse_seen: (p) => need(relapsedAt(p) !== undefined, 'relapse_missing'),
  inside_stability: insideStability,
  was_investigated: (p) => need(investigated(p), 'nobody_investigated'),
  was_not_investigated: (p) => need(!investigated(p), 'somebody_investigated'),
  temporary_measures: (p) => need(said(p, 'temporary_measure').length > 0, 'temporary_missing'),
  root_cause_coded: rootCauseCoded,
  cause_evidence: (p) => {
    const cause = said(p, 'root_cause').at(-1)
    return need(cause === undefined || cause.value.evidence.length > 0, 'cause_without_evidence')
  },
  permanent_measures: (p) => need(said(p, 'permanent_measure').length > 0, 'permanent_missing'),
  reviewer_not_author: (p, { by }) =>
    need(!authors(p).has(by), 'reviewer_is_author', { person: by }),
  four_questions: fourQuestions,
  actions_owned: actionsOwned,
  duties_settled: dutiesSettled,
  customers_told: customersTold,
  attested,
  sent_back_reason: sentBack,
  nobody_acted: byPerson,
  not_grave: notGrave,
  quiet_long_enough: quietLongEnough,
  cancel_reason: (p) => need(said(p, 'cancelled').length > 0, 'cancel_reason_missing'),
  merge_target: (p) => need(said(p, 'merged').length > 0, 'merge_target_missing'),
}
