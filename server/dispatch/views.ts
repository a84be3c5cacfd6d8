import type { Static } from 'typebox'
import { current, type Picture, said } from '../../incidents/picture.ts'
import { type Refusal, refusal } from '../../incidents/refusals.ts'
import { describe } from '../../incidents/replay.ts'
import { type Millis, rfc3339 } from '../clock.ts'
import type { IncidentAssignmentRow } from '../records/schema.ts'
import type { AssignmentView } from './schema.ts'

const time = (at: Millis | null) => (at === null ? null : rfc3339(Number(at)))

/** An assignment as it is answered. */
export function assignmentView(row: IncidentAssignmentRow): Static<typeof AssignmentView> {
  return {
    ...{ fact: row.fact_id, technician: row.technician, assignedBy: row.assigned_by },
    ...{ text: row.text, state: row.state, reason: row.reason },
    assignedAt: rfc3339(Number(row.assigned_at)),
    answerBy: rfc3339(Number(row.due_at)),
    endedAt: time(row.ended_at),
    exhaustedAt: time(row.exhausted_at),
  }
}

/** What somebody who was sent still has to write, in the order of the work. */
export function owedOf(picture: Picture, technician: string, now: Millis): Refusal[] {
  const accepted = said(picture, 'accepted').some(({ value }) => value.technician === technician)
  if (!accepted) return [refusal('answer_assignment')]
  const arrived = said(picture, 'arrived').some(({ value }) => value.technician === technician)
  const found = said(picture, 'finding').some(({ recordedBy }) => recordedBy === technician)
  return [
    ...(arrived ? [] : [refusal('say_arrival')]),
    ...(found ? [] : [refusal('say_finding')]),
    ...describe(picture, now)
      .owed.filter(({ what, by: who }) => what === 'step' && who.includes('technician'))
      .flatMap(({ code, params = {}, text }) =>
        code === undefined ? [] : [{ code, params, text }],
      ),
  ]
}

/** Hosts and services that people named. */
export function placesOf(picture: Picture): { hosts: string[]; services: string[] } {
  const impact = current(picture, 'impact')?.value
  return { hosts: [...(impact?.hosts ?? [])], services: [...(impact?.services ?? [])] }
}
