import type { Kysely } from 'kysely'
import type { Static } from 'typebox'
import { calendarOf, ruleInWords } from '../../clocks/evaluate.ts'
import type { Regime } from '../../clocks/regime.ts'
import { clockView } from '../../clocks/view.ts'
import { groundsOf } from '../../deadlines/duties.ts'
import {
  actionRegime,
  inForce,
  type RegimeStanding,
  type Regimes,
  type Supposition,
  standingsOf,
} from '../../deadlines/standing.ts'
import { type Picture, said } from '../../incidents/picture.ts'
import { type Millis, rfc3339 } from '../clock.ts'
import type { RecordsSchema } from '../records/schema.ts'
import { keptOf } from './deadline-store.ts'
import type { DueList, IncidentClocks } from './schema.ts'

/** Where every clock of an incident stands and why; `more` is a regime that is only looked at. */
export function clocksView(
  picture: Picture,
  regimes: Regimes,
  more: Regime | undefined,
  supposed: readonly Supposition[],
  now: Millis,
): Static<typeof IncidentClocks> {
  const force = inForce(picture, regimes)
  const extra = more === undefined || force.includes(more) ? [] : [more]
  const standings = standingsOf(picture, [...force, ...extra], regimes, now, supposed)
  const later = Math.max(now, ...supposed.map(({ at }) => at))
  return {
    now: rfc3339(later),
    supposed: supposed.map(({ name, at }) => ({ fact: name, at: rfc3339(at) })),
    regimes: standings.map((standing) => regimeView(standing, regimes, force)),
    actions: actionsView(picture, now),
  }
}

function regimeView(standing: RegimeStanding, { institution }: Regimes, force: readonly Regime[]) {
  const { regime, results } = standing
  const { zone } = calendarOf(regime, institution)
  return {
    ...{ regime: regime.name, title: regime.title, caution: regime.caution, zone },
    inForce: force.includes(regime),
    clocks: results.map((result) => ({
      ...clockView(result, zone),
      moved: result.previous.length > 0,
      rule: ruleInWords(result.rule),
      pauseReasons: [...(result.rule.pause?.reasons ?? [])],
      facts: [...groundsOf(standing, result.rule)],
    })),
  }
}

function actionsView(picture: Picture, now: Millis): Static<typeof IncidentClocks>['actions'] {
  const done = new Map(
    said(picture, 'action_done').map(({ value, occurredAt }) => [value.number, occurredAt]),
  )
  return said(picture, 'action').map(({ value: { number, text, owner, dueAt } }) => {
    const at = done.get(number)
    const late = dueAt !== undefined && (at ?? now) > dueAt
    return {
      ...{ number, text, owner: owner ?? null },
      dueAt: dueAt === undefined ? null : rfc3339(dueAt),
      doneAt: at === undefined ? null : rfc3339(at),
      state: stateOfAction(at !== undefined, late),
    }
  })
}

function stateOfAction(done: boolean, late: boolean) {
  if (done) return late ? ('done late' as const) : ('done' as const)
  return late ? ('overdue' as const) : ('open' as const)
}

/** All deadlines that run, the soonest first; what has no time comes last. */
export async function dueView(
  db: Kysely<RecordsSchema>,
  regimes: Regimes,
  limit: number,
  now: Millis,
): Promise<Static<typeof DueList>> {
  const running = db
    .selectFrom('incident_deadlines')
    .where('incident_deadlines.state', 'in', ['owed', 'paused'])
  const { total } = await running
    .select((is) => is.fn.countAll<number>().as('total'))
    .executeTakeFirstOrThrow()
  const rows = await running
    .innerJoin('incidents', 'incidents.id', 'incident_deadlines.incident_id')
    .selectAll('incident_deadlines')
    .select(['incidents.number', 'incidents.title', 'incidents.severity'])
    .select('incidents.workflow_state')
    .orderBy((is) => is.case().when('due_at', 'is', null).then(1).else(0).end())
    .orderBy('due_at')
    .orderBy('incidents.number')
    .orderBy('code')
    .limit(limit)
    .execute()
  return {
    now: rfc3339(now),
    total: Number(total),
    due: rows.map((row) => {
      const kept = keptOf(row)
      const state =
        kept.state === 'paused'
          ? ('paused' as const)
          : kept.dueAt === null
            ? ('without undue delay' as const)
            : now > kept.dueAt
              ? ('breached' as const)
              : now >= (kept.atRiskAt ?? kept.dueAt + 1)
                ? ('at risk' as const)
                : ('running' as const)
      return {
        incident: {
          ...{ id: row.incident_id, number: Number(row.number), title: row.title },
          ...{ severity: row.severity, state: row.workflow_state },
        },
        ...{ regime: kept.regime, clock: kept.code, state },
        title: titleOf(regimes, kept.regime, kept.code),
        dueAt: kept.dueAt === null ? null : rfc3339(kept.dueAt),
        remainingSeconds: kept.dueAt === null ? null : (kept.dueAt - now) / 1000,
      }
    }),
  }
}

function titleOf({ serviceLevels, regulators }: Regimes, regime: string, code: string): string {
  if (regime === actionRegime) return `Action ${code}`
  const rules = [serviceLevels, ...regulators].find(({ name }) => name === regime)?.clocks
  return rules?.find((rule) => rule.code === code)?.title ?? code
}
