import type { Kysely } from 'kysely'
import type { AlertView, Millis } from '../../../alerts/alert.ts'
import {
  type Candidate,
  candidates,
  counted,
  countOf,
  type Decision,
  decideBy,
  type Firing,
  type Subject,
  subjectOf,
} from '../../../alerts/correlation.ts'
import type { Clock } from '../../clock.ts'
import { alertViewOf } from '../../records/alert-view.ts'
import type { IncidentRow, RecordsSchema } from '../../records/schema.ts'
import { stabilityWindowMillis } from '../incident.ts'
import type { CorrelationDocument } from './document-store.ts'

/** Alerts that a count looks at, the newest first. */
const countedMax = 5_000

/** An incident that has an alert's label set already. */
export interface Held {
  readonly row: IncidentRow
  /** It only stands beside it. */
  readonly related: boolean
}

/** An alert that fires, with its row's view. */
export interface FiringAlert extends Firing {
  readonly alert: AlertView
}

export type Verdict =
  | { readonly kind: 'held'; readonly held: Held }
  | { readonly kind: 'relapse'; readonly held: Held; readonly decision: Decided | undefined }
  | { readonly kind: 'decided'; readonly decision: Decided | undefined }

/** What the rules decide, with the alerts that were counted; undefined where no rule decides. */
export type Decided = Decision<IncidentRow> & { readonly counted: readonly FiringAlert[] }

/** What was read for a rule with a count, for whoever explains. */
export interface Counted {
  readonly candidate: Candidate
  readonly count: number
}

export interface Asking {
  readonly document: CorrelationDocument
  readonly subject: Subject
  /** When it fired. */
  readonly at: Millis
  /** An incident of a candidate that is known without reading. */
  readonly known?: ((candidate: Candidate) => IncidentRow | undefined) | undefined
  readonly onCounted?: ((counted: Counted) => void) | undefined
}

/** Asks the records what the rules need to know, and decides; writes nothing. */
export class Correlator {
  readonly #clock: Clock

  constructor(clock: Clock) {
    this.#clock = clock
  }

  async decide(read: Kysely<RecordsSchema>, asking: Asking): Promise<Verdict> {
    const { document, subject } = asking
    const considered = candidates(document.rules, subject)
    // The built-in rules put a label set always into the same incident.
    if (document.version > 0) {
      const held = await this.#held(read, subject.fingerprint, 'open')
      if (held !== undefined) return { kind: 'held', held }
    }
    const decision = await this.#decided(read, considered, asking)
    if (decision?.kind === 'join' || decision?.candidate?.rule.action === 'ignore')
      return { kind: 'decided', decision }
    const held = await this.#held(read, subject.fingerprint, 'relapse')
    return held === undefined || held.related
      ? { kind: 'decided', decision }
      : { kind: 'relapse', held, decision }
  }

  async #decided(
    read: Kysely<RecordsSchema>,
    considered: readonly Candidate[],
    { at, known, onCounted }: Asking,
  ): Promise<Decided | undefined> {
    for (const candidate of considered) {
      const { rule } = candidate
      const incident =
        known?.(candidate) ??
        (rule.action === 'ignore' ? undefined : await this.#incidentOf(read, candidate))
      const needed = incident === undefined && rule.count !== undefined
      const firing = needed ? counted(candidate, at, await firingNear(read, candidate, at)) : []
      const count = countOf(candidate, firing)
      if (needed) onCounted?.({ candidate, count })
      const decision = decideBy(candidate, { incident, count })
      if (decision !== undefined) return { ...decision, counted: firing }
    }
    return undefined
  }

  /** Whether an open incident is young enough for a rule. */
  isYoung({ rule }: Candidate, row: IncidentRow): boolean {
    return rule.within === undefined || Number(row.opened_at) >= this.#clock.now() - rule.within
  }

  async #incidentOf(
    read: Kysely<RecordsSchema>,
    candidate: Candidate,
  ): Promise<IncidentRow | undefined> {
    const { rule, key } = candidate
    const row = await read
      .selectFrom('incidents')
      .selectAll()
      .where('state', '!=', 'resolved')
      .where((is) =>
        is.or([
          is('join_key', '=', key),
          is(
            'id',
            'in',
            is.selectFrom('incident_join_keys').select('incident_id').where('join_key', '=', key),
          ),
          ...(rule.action === 'join'
            ? [
                is(
                  'id',
                  'in',
                  is
                    .selectFrom('incident_label_keys')
                    .select('incident_id')
                    .where('label_key', '=', `${rule.same.join(' ')} ${key}`),
                ),
              ]
            : []),
        ]),
      )
      .orderBy('number', 'desc')
      .limit(1)
      .executeTakeFirst()
    return row !== undefined && this.isYoung(candidate, row) ? row : undefined
  }

  /** The incident that has a label set: an open one, or one that takes its relapse. */
  async #held(
    read: Kysely<RecordsSchema>,
    fingerprint: string,
    as: 'open' | 'relapse',
  ): Promise<Held | undefined> {
    const row = await read
      .selectFrom('incidents')
      .innerJoin('incident_alerts', 'incident_alerts.incident_id', 'incidents.id')
      .innerJoin('alerts', 'alerts.id', 'incident_alerts.alert_id')
      .selectAll('incidents')
      .select('incident_alerts.related')
      .where('alerts.fingerprint', '=', fingerprint)
      .where((is) =>
        as === 'open'
          ? is('incidents.state', '!=', 'resolved')
          : is.and([
              is('incidents.workflow_state', 'in', ['restored', 'root_cause']),
              is('incidents.resolved_at', '>=', this.#clock.now() - stabilityWindowMillis),
            ]),
      )
      .orderBy('incidents.number', 'desc')
      .orderBy('incident_alerts.related')
      .limit(1)
      .executeTakeFirst()
    if (row === undefined) return undefined
    const { related, ...incident } = row
    return { row: incident, related: Number(related) === 1 }
  }
}

async function firingNear(
  read: Kysely<RecordsSchema>,
  { rule }: Candidate,
  at: Millis,
): Promise<FiringAlert[]> {
  const within = rule.count?.within ?? 0
  const rows = await read
    .selectFrom('alerts')
    .selectAll()
    .where('state', '=', 'firing')
    .where('fired_at', '>=', at - within)
    .where('fired_at', '<=', at + within)
    .orderBy('fired_at', 'desc')
    .limit(countedMax)
    .execute()
  return rows.map((row) => {
    const alert = alertViewOf(row)
    return { alert, subject: subjectOf(alert), firedAt: Number(row.fired_at) }
  })
}
