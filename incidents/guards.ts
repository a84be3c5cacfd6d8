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
import { additionalCauses } from './root-causes.ts'
import { type GuardName, type Role, type State, times } from './workflow.ts'

/** A step that somebody wants to take. */
export interface Move {
  readonly to: State
  readonly by: string
  readonly role: Role
  readonly at: Millis
}

type Guard = (picture: Picture, move: Move) => readonly string[]

const need = (there: boolean, missing: string): readonly string[] => (there ? [] : [missing])
const minutes = (millis: number) => `${Math.floor(millis / 60_000)} minutes`

const recoveredAt: Guard = (picture) =>
  need(recovery(picture) !== undefined, 'when it recovered is missing (recovered)')

const machineEvidence: Guard = (picture) => {
  const fact = recovery(picture)
  if (fact?.value.evidence !== 'machine') {
    return ['machine evidence is missing (recovered, evidence "machine", written by the hub)']
  }
  const green = fact.value.greenMillis ?? 0
  return [
    ...need(
      fact.recordedBy === hubActor,
      `machine evidence is written by ${hubActor}, not by ${fact.recordedBy}`,
    ),
    ...need(
      green >= times.greenMillis,
      `it was green for ${minutes(green)}; wait for ${minutes(times.greenMillis)}`,
    ),
    ...holding(picture).map((rule) => `the alert ${rule} still fires`),
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
  if (verifier === undefined || fixers(picture).has(verifier))
    return [`the verifier is the fixer ${verifier}`]
  return need(
    verifier === fact.recordedBy,
    `the verifier ${verifier} confirms in person; ${fact.recordedBy} wrote it`,
  )
}

const arrived: Guard = (picture) => {
  const accepted = new Set(said(picture, 'accepted').map(({ value }) => value.technician))
  const came = said(picture, 'arrived').map(({ value }) => value.technician)
  if (came.some((technician) => accepted.has(technician))) return []
  return came.length === 0
    ? ['no technician arrived or connected (arrived)']
    : came.map((technician) => `${technician} arrived without having accepted`)
}

const rootCauseCoded: Guard = (picture) => {
  const fact = said(picture, 'root_cause').at(-1)
  if (fact === undefined) return ['the coded root cause is missing (root_cause)']
  const unclear = fact.value.codes.filter(
    (code) =>
      additionalCauses[code] !== undefined &&
      !Object.keys(additionalCauses[code]).some((one) => fact.value.additional?.includes(one)),
  )
  return unclear.map((code) => `root cause ${code} needs its third level (additional)`)
}

const actionsOwned: Guard = (picture) =>
  said(picture, 'action').flatMap(({ value: { number, owner, dueAt } }) => [
    ...need(owner !== undefined, `action ${number} has no owner`),
    ...need(dueAt !== undefined, `action ${number} has no due date`),
  ])

const questions = {
  promptness: 'was it handled promptly',
  analysis_quality: 'how good was the analysis',
  escalation: 'was it escalated well',
  communication: 'was it communicated well',
} as const

const fourQuestions: Guard = (picture) => {
  const answered = new Set(said(picture, 'answer').map(({ value }) => value.question))
  return Object.entries(questions)
    .filter(([question]) => !answered.has(question as keyof typeof questions))
    .map(([question, asks]) => `closing question "${asks}?" is not answered (${question})`)
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
    ...openDuties(picture).map(
      ({ value }) => `duty ${value.duty} (${value.regime}) is neither met nor waived`,
    ),
    ...need(
      !major || known.length > 0,
      'a major incident has no regulatory duty on file: write duty_owed, or duty_waived with the reason',
    ),
  ]
}

const customersTold: Guard = (picture) => {
  const closing = said(picture, 'notice').filter(
    ({ value }) => value.audience === 'customers' && value.form === 'closing',
  )
  return need(
    closing.length > 0 || said(picture, 'notice_not_needed').length > 0,
    'the closing notice to customers is missing (notice, or notice_not_needed with the reason)',
  )
}

const attested: Guard = (picture, { by }) => {
  const last = said(picture, 'attestation').findLast(({ recordedBy }) => recordedBy === by)
  if (last === undefined) return [`${by || 'the reviewer'} has not attested (attestation)`]
  const changed = picture.facts
    .slice(picture.facts.findIndex(({ id }) => id === last.id) + 1)
    .filter((fact) => specOf(fact.kind).attested === true)
  return changed.map(
    (fact) => `${fact.kind} changed after the attestation (fact ${fact.id}); attest again`,
  )
}

/** Steps the hub takes, or took before there was a workflow. */
const byPerson = (picture: Picture): readonly string[] => [
  ...picture.steps
    .filter(({ by }) => by !== hubActor)
    .map(({ by, to }) => `${by} moved it to ${to}`),
  ...(['severity', 'major', 'root_cause', 'duty_owed', 'action', 'assigned', 'accepted'] as const)
    .flatMap((kind) => said(picture, kind) as readonly Fact[])
    .map(({ kind, recordedBy }) => `${recordedBy} wrote ${kind}`),
]

const notGrave: Guard = (picture) => {
  const severity = said(picture, 'severity').at(-1)?.value.severity
  return [
    ...need(said(picture, 'major').at(-1)?.value.major !== true, 'it is major'),
    ...need(severity !== 'sev1' && severity !== 'sev2', `it is ${severity}`),
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
  return need(
    after >= 0 && after <= times.stabilityMillis,
    `it came back ${minutes(after)} after the recovery, not within ${minutes(times.stabilityMillis)}: record a new incident with recurrence_of`,
  )
}

/** Whether somebody was at it before the last recovery. */
function investigated(picture: Picture): boolean {
  return picture.steps.findLast(({ to }) => to === 'restored')?.from === 'investigating'
}

const quietLongEnough: Guard = (picture, { at }) => {
  const restored = picture.steps.findLast(({ to }) => to === 'restored')
  const since = recovery(picture)?.occurredAt ?? restored?.at
  const quiet = since === undefined ? 0 : at - since
  return need(
    quiet >= times.unattendedMillis,
    `it has been well for ${Math.floor(quiet / 3_600_000)} hours; wait for ${times.unattendedMillis / 3_600_000}`,
  )
}

const sentBack: Guard = (picture, { by }) => {
  const from = lastStep(picture, 'submit')?.position ?? 0
  return need(
    picture.facts.slice(from).some(({ kind, recordedBy }) => kind === 'note' && recordedBy === by),
    'a note by the reviewer that says what is missing (note)',
  )
}

/** The code behind the published names: what is missing, in words; nothing when the guard lets pass. */
export const guardCode: Readonly<Record<GuardName, Guard>> = {
  phenomenon: (p) => need(said(p, 'phenomenon').length > 0, 'the phenomenon is missing'),
  detected_at: (p) => need(said(p, 'detected').length > 0, 'when it was detected is missing'),
  affected_service: (p) =>
    need(
      (current(p, 'impact')?.value.services?.length ?? 0) > 0,
      'no affected service is named (impact.services)',
    ),
  preliminary_cause: (p) =>
    need(
      live(p, 'preliminary_cause').length > 0,
      'the preliminary cause is missing (preliminary_cause; confidence "unknown" will do)',
    ),
  plan_pinned: (p) =>
    need(
      said(p, 'plan_activated').length > 0,
      'no runbook is pinned and no reason says that none applies (plan_activated)',
    ),
  technician_accepted: (p) => {
    if (said(p, 'accepted').length > 0) return []
    const assigned = said(p, 'assigned').at(-1)?.value.technician
    return [
      assigned === undefined
        ? 'no technician accepted (assigned, then accepted)'
        : `${assigned} is assigned but has not accepted (accepted)`,
    ]
  },
  arrived,
  recovered_at: recoveredAt,
  recovery_proven: recoveryProven,
  machine_evidence: (p, move) => (recovery(p) === undefined ? [] : machineEvidence(p, move)),
  // People's instants, which the hub cannot mend, do not hold what a machine saw; closing asks them of people.
  instants_in_order: (p, { role }) => (role === 'hub' ? [] : disorder(p).map(({ text }) => text)),
  relapse_seen: (p) => need(relapsedAt(p) !== undefined, 'the relapse is not written (relapse)'),
  inside_stability: insideStability,
  was_investigated: (p) =>
    need(investigated(p), 'nobody had investigated: it goes back to recorded'),
  was_not_investigated: (p) =>
    need(!investigated(p), 'it had been investigated: it goes back to investigating'),
  temporary_measures: (p) =>
    need(
      said(p, 'temporary_measure').length > 0,
      'temporary measures are missing (temporary_measure; with none: true if there are none)',
    ),
  root_cause_coded: rootCauseCoded,
  cause_evidence: (p) => {
    const cause = said(p, 'root_cause').at(-1)
    return need(
      cause === undefined || cause.value.evidence.length > 0,
      'the root cause links to no evidence (root_cause.evidence)',
    )
  },
  permanent_measures: (p) =>
    need(
      said(p, 'permanent_measure').length > 0,
      'permanent measures are missing (permanent_measure; with none: true if there are none)',
    ),
  reviewer_not_author: (p, { by }) => need(!authors(p).has(by), `the reviewer is the author ${by}`),
  four_questions: fourQuestions,
  actions_owned: actionsOwned,
  duties_settled: dutiesSettled,
  customers_told: customersTold,
  attested,
  sent_back_reason: sentBack,
  nobody_acted: byPerson,
  not_grave: notGrave,
  quiet_long_enough: quietLongEnough,
  cancel_reason: (p) =>
    need(said(p, 'cancelled').length > 0, 'the coded reason is missing (cancelled)'),
  merge_target: (p) =>
    need(said(p, 'merged').length > 0, 'the incident it goes into is missing (merged)'),
}
