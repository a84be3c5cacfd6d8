import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { changesDeadlines } from '../../../deadlines/case.ts'
import { missingDuties } from '../../../deadlines/duties.ts'
import { type InForce, rebuild } from '../../../deadlines/rebuild.ts'
import {
  type Deadline,
  deadlinesOf,
  inForce,
  type Regimes,
  standingsOf,
} from '../../../deadlines/standing.ts'
import { readTimeLimits, timeLimitsText } from '../../../deadlines/time-limits.ts'
import { blank } from '../../../incidents/picture.ts'
import { advance } from '../../../incidents/replay.ts'
import { standingOf } from '../../../incidents/standing.ts'
import { states, transitions } from '../../../incidents/workflow.ts'
import { packageRoot } from '../../../server/assets.ts'
import { chooseRegimes, readInstitution } from '../../../server/deadlines/settings.ts'
import fc from '../../helpers/property.ts'
import { regimes as shipped } from '../clocks/shipped.ts'
import { begun, minute, type Story } from '../incidents/history.ts'

const byName = new Map([...shipped].map(([name, regime]) => [name, { regime }]))
const textOf = (name: string) =>
  readFileSync(join(packageRoot, 'clocks', 'regimes', `${name}.yaml`), 'utf8')

function regimesOf(settings: Parameters<typeof readInstitution>[0], zone: string): Regimes {
  const institution = readInstitution(settings, zone)
  if (!('holidays' in institution)) throw new Error(institution.join())
  const chosen = chooseRegimes(settings, institution, byName)
  if (!('serviceLevels' in chosen)) throw new Error(chosen.join())
  return chosen
}

const limits = [
  regimesOf({ institution: { kinds: ['credit-institution'] } }, 'Europe/Paris'),
  regimesOf(
    {
      regimes: ['dora', 'vn-sbv'],
      institution: {
        ...{ weekend: ['friday', 'saturday'], holidays: ['2026-03-30'] },
        working_hours: { from: '08:30', to: '16:00' },
      },
    },
    'Asia/Ho_Chi_Minh',
  ),
]

/** What moves deadlines, beside the steps. */
const asides: readonly ((story: Story, minutes: number) => unknown)[] = [
  (s) => s.add('major', { text: 'It is.', major: true }),
  (s) => s.add('major', { text: 'It is not.', major: false }),
  (s, m) => s.add('aware', { text: 'Told.' }, { at: s.now - m * minute }),
  (s, m) => s.add('classified', { text: 'By the table.' }, { at: s.now - m * minute }),
  (s, m) =>
    s.add('severity', { text: 'Worse.', severity: (['sev1', 'sev3'] as const)[m % 2]! }, {}),
  (s) => s.add('clock_paused', { text: 'waiting for the customer: a log', clock: 'restore' }),
  (s) => s.add('clock_resumed', { text: 'They answered.', clock: 'restore' }),
  (s, m) => s.add('occurred', { text: 'Then.' }, { at: s.now - m * minute, certainty: 'estimate' }),
  (s, m) => {
    const old = s.facts.findLast(
      ({ id, kind }) => kind === 'occurred' && !s.picture.supersededBy.has(id),
    )
    if (old !== undefined)
      s.add('occurred', { text: 'No.' }, { at: s.now - m * minute, supersedes: old.id })
  },
  (s) => {
    const duty = s.facts.find(({ kind }) => kind === 'duty_owed')
    if (duty?.kind === 'duty_owed')
      s.add('duty_met', { text: 'Sent.', duty: duty.value.duty }, { by: 'anna' })
  },
  (s, m) => s.add('action', { text: 'Mend.', number: 1, action: 'repair', dueAt: s.now + m }),
  (s) => s.add('note', { text: 'Looked at it.' }),
]

/** Keeps deadlines as the hub does: after each fact that moves them, and when time limits change. */
class Kept {
  deadlines: readonly Deadline[] = []
  readonly limits: InForce[] = [{ from: 0, regimes: limits[0]! }]
  readonly places: number[] = []
  #place = 1

  follow(story: Story): void {
    for (;;) {
      const fresh = story.facts.slice(this.places.length)
      for (const _ of fresh) this.places.push(this.#place++)
      if (!fresh.some(({ kind }) => changesDeadlines(kind))) return
      this.keep(story)
    }
  }

  keep(story: Story): void {
    const { regimes } = this.limits.at(-1)!
    const [, ...regulators] = inForce(story.picture, regimes)
    const standings = standingsOf(story.picture, regulators, regimes, story.now)
    for (const duty of missingDuties(story.picture, standings, regimes, story.now)) story.take(duty)
    this.deadlines = deadlinesOf(story.picture, regimes, story.now)
  }

  change(story: Story): void {
    this.limits.push({ from: this.#place++, regimes: limits[this.limits.length % 2]! })
    const owes = this.deadlines.some(({ state }) => state === 'owed' || state === 'paused')
    if (standingOf(story.picture).closedAt !== undefined && !owes) return
    this.keep(story)
    this.follow(story)
  }
}

function lived(happenings: readonly (readonly [number, number, number])[]) {
  const story = begun()
  const kept = new Kept()
  kept.follow(story)
  for (const [what, which, minutes] of happenings) {
    story.now += minutes * minute
    try {
      if (what % 11 === 10) kept.change(story)
      else if (what % 2 === 0) asides[which % asides.length]?.(story, minutes)
      else {
        const ways = transitions.filter((one) => one.from.includes(story.picture.state))
        const { next } = states[story.picture.state]
        const way = what % 3 === 1 ? ways.find(({ to }) => to === next) : ways[which % ways.length]
        if (way !== undefined) story.step(way)
      }
    } catch {
      // Not lawful now: it does not happen.
    }
    kept.follow(story)
  }
  return { story, kept }
}

t.test(
  'whatever lawful history: deadlines worked out again are those that were kept',
  async (t) => {
    let [paused, major, changed] = [0, 0, 0]
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(), fc.nat(), fc.nat({ max: 5000 })), { maxLength: 30 }),
        fc.nat({ max: 100_000 }),
        (happenings, later) => {
          const { story, kept } = lived(happenings)
          const whole = advance(blank, story.facts)
          if (!whole.legal) throw new Error(whole.illegal.reasons.join())
          const now = story.now + later * minute
          const rebuilt = rebuild(whole.picture, kept.places, kept.limits, now)
          t.same(rebuilt, { deadlines: kept.deadlines, duties: [] })
          paused += story.facts.filter(({ kind }) => kind === 'clock_paused').length
          major += kept.deadlines.filter(({ regime }) => regime === 'dora').length
          changed += kept.limits.length - 1
        },
      ),
      // A pause that nobody ended.
      { numRuns: 60, examples: [[[[0, 5, 1]], 10]] },
    )
    t.ok(
      Math.min(paused, major, changed) > 0,
      `${paused} paused, ${major} of DORA, ${changed} changed`,
    )
  },
)

t.test('time limits can be read again from their text, and from nothing else', async (t) => {
  for (const regimes of limits) t.same(readTimeLimits(timeLimitsText(regimes, textOf)), regimes)
  const text = timeLimitsText(limits[0]!, textOf)
  for (const wrong of [
    '',
    '{}',
    'null',
    text.slice(1),
    text.replace('regime: dora', 'regime: door'),
  ])
    t.equal(readTimeLimits(wrong), undefined, wrong.slice(0, 40))
})
