import { type ExpressionBuilder, sql } from 'kysely'
import {
  actionRegime,
  nextWord,
  type Regimes,
  spokenIn,
  type Told,
  wordAt,
} from '../../deadlines/standing.ts'
import { holders, type Picture, said } from '../../incidents/picture.ts'
import type { Role } from '../../incidents/workflow.ts'
import type { Clock } from '../clock.ts'
import type { Incidents } from '../incidents/plugin.ts'
import type { Obligation, ObligationKind, Outcome } from '../obligations/plugin.ts'
import type { Paging } from '../paging/plugin.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import type { IncidentRow, RecordsSchema } from '../records/schema.ts'
import { type KeptDeadline, keptDeadline, subjectOf } from './deadline-store.ts'
import { actionKind, askOfClock, clockKind, type DeadlineKeeper } from './keeper.ts'

export interface TellingParts {
  readonly clock: Clock
  readonly records: Records
  readonly keeper: DeadlineKeeper
  readonly incidents: Pick<Incidents, 'picture'>
  readonly paging: Pick<Paging, 'say' | 'ask'>
  readonly regimes: () => Regimes
  /** After the commit. */
  readonly told: (kept: KeptDeadline, word: Told) => void
}

const clockPromise =
  'who handles an incident is told when a time limit is at risk, and the escalation policy when it is over'
const actionPromise =
  'the owner of an overdue action is told, and a day later whoever leads the incident'

/** The kinds of obligation of clocks and of actions. */
export function tellingDuties(parts: TellingParts): ObligationKind[] {
  return [dutyOf(parts, clockKind, clockPromise), dutyOf(parts, actionKind, actionPromise)]
}

function dutyOf(parts: TellingParts, kind: string, promise: string): ObligationKind {
  const { records, keeper } = parts
  return {
    ...{ kind, promise, concurrency: 4, attemptMillis: 10_000 },
    perform: (obligation) => tell(parts, obligation),
    owed: (read) =>
      (read as Records['read'])
        .selectFrom('incident_deadlines')
        .select(sql<string>`incident_id || '/' || regime || '/' || code`.as('subject'))
        .where((is) => is.or([is('next_at', 'is not', null), isUnasked(is)]))
        .where('regime', kind === actionKind ? '=' : '<>', actionRegime),
    mend: (tx, subject) => keeper.mend(tx, subject),
  }

  async function tell(
    { clock, incidents, told }: TellingParts,
    { subject }: Obligation,
  ): Promise<Outcome> {
    const kept = await keptDeadline(records.read, subject)
    if (kept?.nextAt === undefined) return {}
    const now = clock.now()
    const word = wordAt(kept, kept.toldSoFar, now)
    if (word === 0) return { again: { dueAt: kept.nextAt } }
    const { row, picture } = await incidents.picture(kept.incidentId)
    const labels = await labelsOf(records, kept.incidentId)
    const next = nextWord(kept, word)
    return {
      ...(next === undefined ? {} : { again: { dueAt: next } }),
      settle: async (tx, live) => {
        // Facts that came meanwhile closed this one and opened what holds now.
        if (!live) return
        await keeper.told(tx, kept, word)
        await say(parts, tx, { kept, row, picture, labels, word })
      },
      committed: () => told(kept, word),
    }
  }
}

/** A breach that no page asks for, though it was told: its page went missing. */
function isUnasked(is: ExpressionBuilder<RecordsSchema, 'incident_deadlines'>) {
  return is.and([
    is('incident_deadlines.told', '=', 2),
    is('incident_deadlines.state', '=', 'owed'),
    is('incident_deadlines.regime', '<>', actionRegime),
    is.not(
      is.exists(
        is
          .selectFrom('page_asks')
          .select('page_asks.id')
          .where('page_asks.ended_at', 'is', null)
          .where(
            'page_asks.name',
            '=',
            sql<string>`'clock:' || incident_id || '/' || regime || '/' || code`,
          ),
      ),
    ),
  ])
}

interface Saying {
  readonly kept: KeptDeadline
  readonly row: IncidentRow
  readonly picture: Picture
  readonly labels: Readonly<Record<string, string>>
  readonly word: Told
}

async function say(parts: TellingParts, tx: RecordsTransaction, saying: Saying): Promise<void> {
  const { kept, row, picture, labels, word } = saying
  const subject = subjectOf(kept.incidentId, kept)
  const words = { title: titleOf(parts.regimes(), saying), lane: row.server || row.id, labels }
  if (kept.regime !== actionRegime && word === 2)
    return parts.paging.ask(tx, {
      ...{ name: askOfClock(subject), incidentId: kept.incidentId, ...words },
    })
  const to = peopleOf(picture, kept, word).map((name) => ({ kind: 'person', name }) as const)
  await parts.paging.say(tx, {
    ...{ key: `deadline:${subject}/${kept.dueAt}/${word}`, from: 'deadlines', to },
    ...{ severity: 'warning', ...words },
  })
}

const handling: readonly Role[] = ['commander', 'deputy', 'technician']
const reporting: readonly Role[] = ['commander', 'deputy', 'regulatory_liaison']

/** Whose business a deadline is: who has a part, the owner of an action first. */
function peopleOf(picture: Picture, kept: KeptDeadline, word: Told): string[] {
  const roles =
    kept.regime === actionRegime
      ? (['commander', 'deputy'] as const)
      : said(picture, 'duty_owed').some(({ value }) => value.regime === kept.regime)
        ? reporting
        : handling
  const leading = [...new Set(roles.flatMap((role) => [...holders(picture, role)]))]
  if (kept.regime !== actionRegime || word === 2) return leading
  const owner = actionOf(picture, kept)?.owner
  return owner === undefined ? leading : [owner]
}

function actionOf(picture: Picture, { code }: KeptDeadline) {
  return said(picture, 'action').find(({ value }) => String(value.number) === code)?.value
}

/** Longer titles are cut by channels. */
const titleCharacters = 200

function titleOf(regimes: Regimes, { kept, row, picture, word }: Saying): string {
  const number = `Incident ${row.number}`
  const all = [regimes.serviceLevels, ...regimes.regulators]
  const regime = all.find(({ name }) => name === kept.regime) ?? regimes.serviceLevels
  const due = spokenIn(regime, regimes.institution, kept.dueAt ?? 0)
  if (kept.regime === actionRegime) {
    const action = actionOf(picture, kept)
    const whose = word === 2 && action?.owner !== undefined ? ` of ${action.owner}` : ''
    const what = `action ${kept.code}${whose} is overdue since ${due}: ${action?.text ?? ''}`
    return `${number}: ${what}`.slice(0, titleCharacters)
  }
  const rule = regime.clocks.find(({ code }) => code === kept.code)
  const how = word === 2 ? 'time limit is over, it was' : 'time limit is at risk,'
  const what = `${rule?.title ?? kept.code}: ${how} due ${due}`
  return `${number}: ${what} (${regime.name})`.slice(0, titleCharacters)
}

/** The labels of the alert that opened it, which may name an escalation policy. */
async function labelsOf(records: Records, id: string): Promise<Readonly<Record<string, string>>> {
  const row = await records.read
    .selectFrom('alerts')
    .innerJoin('incident_alerts', 'incident_alerts.alert_id', 'alerts.id')
    .select('alerts.labels')
    .where('incident_alerts.incident_id', '=', id)
    .orderBy('incident_alerts.joined_at')
    .limit(1)
    .executeTakeFirst()
  // The rules wrote it.
  return row === undefined ? {} : (JSON.parse(row.labels) as Record<string, string>)
}
