import { parseDuration } from '../../../alerts/duration.ts'
import { Calendar, type ScheduleVersion } from '../../../server/oncall/calendar.ts'
import { Directory } from '../../../server/oncall/directory.ts'
import {
  acknowledge,
  type Decision,
  nextStep,
  resolve,
  triggered,
} from '../../../server/oncall/escalation.ts'
import { type FinalSegment, gapText } from '../../../server/oncall/final.ts'
import { type PolicyContent, snapshotOf, type Target } from '../../../server/oncall/policy.ts'
import { resolverAt } from '../../../server/oncall/resolving.ts'
import {
  type Layer,
  type Override,
  type ScheduleContent,
  scheduleFault,
  weekdays,
} from '../../../server/oncall/schedule.ts'
import { dateWall, instantOf, wallOf } from '../../../server/oncall/zone.ts'

/** A story of on-call duty; test/scenarios/oncall/README.md explains the format. */
interface Story {
  zone: string
  readonly layers: Layer[]
  readonly overrides: Override[]
  readonly disabled: Set<string>
  policy: PolicyContent
  readonly told: string[]
  readonly expected: string[]
}

/** What a story says and what came of it, line by line. */
export interface Outcome {
  readonly told: readonly string[]
  readonly expected: readonly string[]
}

const scheduleId = 'rota'

/** Runs a story; throws with the line that cannot be read. */
export function runScenario(text: string): Outcome {
  const story: Story = {
    zone: 'UTC',
    layers: [],
    overrides: [],
    disabled: new Set(),
    policy: emptyPolicy,
    told: [],
    expected: [],
  }
  for (const raw of text.split('\n')) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#')) continue
    if (line.startsWith('= ')) {
      story.expected.push(line.slice(2))
      continue
    }
    const [word, ...rest] = line.split(/\s+/)
    const handle = words[word!]
    if (handle === undefined) throw new Error(`unknown line "${line}"`)
    handle(story, rest)
  }
  return story
}

const emptyPolicy: PolicyContent = {
  name: 'policy',
  description: '',
  steps: [],
  repeat: 0,
  catchAll: [],
  catchAllEverySeconds: 900,
  acknowledgementSeconds: null,
}

const words: Readonly<Record<string, (story: Story, rest: string[]) => void>> = {
  zone(story, [zone]) {
    story.zone = zone!
  },
  layer(story, [name, turn, handOff, startsOn, ...participants]) {
    const match = /^(\d+)?(hour|day|week)s?$/.exec(turn!)
    if (match === null) throw new Error(`"${turn}" is no turn`)
    const rotation = { unit: match[2] as 'hour', count: Number(match[1] ?? 1) }
    const place = { name: name!, timeZone: story.zone, handOff: handOff!, startsOn: startsOn! }
    story.layers.push({ ...place, rotation, participants, windows: [] })
  },
  ends(story, [endsOn]) {
    replaceLast(story.layers, { endsOn: endsOn! })
  },
  only(story, [days, hours]) {
    const [first, last] = days!.split('-').map((day) => weekdays.indexOf(day as 'mon'))
    const [from, to] = hours!.split('-')
    const named = weekdays.slice(first, (last ?? first)! + 1)
    const windows = [...story.layers.at(-1)!.windows, { days: named, from: from!, to: to! }]
    replaceLast(story.layers, { windows })
  },
  override(story, [from, to, principalId]) {
    const createdAt = story.overrides.length
    const times = { startsAt: Date.parse(from!), endsAt: Date.parse(to!) }
    story.overrides.push({ id: `o${createdAt}`, principalId: principalId!, ...times, createdAt })
  },
  disabled(story, names) {
    for (const name of names) story.disabled.add(name)
  },
  show(story, [from, to]) {
    const [start, end] = [from!, to!].map((date) => instantOf(dateWall(date)!, story.zone))
    const { final } = new Calendar().expand(versionOf(story), start!, end!)
    for (const segment of final) story.told.push(segmentLine(segment, story.zone))
  },
  step(story, [delay, ...targets]) {
    const delaySeconds = parseDuration(delay!)! / 1000
    const step = { delaySeconds, targets: targets.map(targetOf) }
    story.policy = { ...story.policy, steps: [...story.policy.steps, step] }
  },
  repeat(story, [count]) {
    story.policy = { ...story.policy, repeat: Number(count) }
  },
  'catch-all'(story, [every, ...targets]) {
    const catchAllEverySeconds = parseDuration(every!)! / 1000
    story.policy = { ...story.policy, catchAllEverySeconds, catchAll: targets.map(targetOf) }
  },
  acknowledgement(story, [lasts]) {
    story.policy = { ...story.policy, acknowledgementSeconds: parseDuration(lasts!)! / 1000 }
  },
  page(story, [at, ...events]) {
    runPage(story, Date.parse(at!), events)
  },
}

function replaceLast(layers: Layer[], change: Partial<Layer>): void {
  layers[layers.length - 1] = { ...layers.at(-1)!, ...change }
}

function targetOf(text: string): Target {
  const [kind, id] = text.split(':')
  return { kind: kind as Target['kind'], id: id! }
}

function versionOf(story: Story): ScheduleVersion {
  const { zone, layers, overrides } = story
  const content: ScheduleContent = {
    name: scheduleId,
    description: '',
    timeZone: zone,
    plannedGaps: false,
    layers,
  }
  const fault = scheduleFault(content)
  if (fault !== undefined) throw new Error(fault)
  return { id: scheduleId, digest: JSON.stringify(content), content, overrides }
}

/** `2026-03-29T09:00+02:00`. */
export function localText(at: number, zone: string): string {
  const wall = wallOf(at, zone)
  const minutes = Math.round(Math.abs(wall - at) / 60_000)
  const two = (value: number) => String(value).padStart(2, '0')
  const offset = `${wall < at ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`
  return `${new Date(wall).toISOString().slice(0, 16)}${offset}`
}

function segmentLine(segment: FinalSegment, zone: string): string {
  const at = localText(segment.from, zone)
  if (segment.kind === 'gap') return `${at} nobody (${gapText(segment.reasons)})`
  return `${at} ${segment.principalId} ${segment.layer}`
}

/** `+7m=ack:boris`, `+7m=away:1h`, `+30m=resolved`, `+2h=end`, in order. */
function runPage(story: Story, start: number, events: readonly string[]): void {
  const version = versionOf(story)
  const calendar = new Calendar()
  const names = [...new Set(story.layers.flatMap(({ participants }) => participants))]
  for (const { principalId } of story.overrides) names.push(principalId)
  for (const { targets } of story.policy.steps)
    for (const { kind, id } of targets) if (kind === 'person') names.push(id)
  const people = new Directory(
    names.map((id) => ({ id, name: id, enabled: !story.disabled.has(id) })),
  )
  const snapshot = snapshotOf('policy', 1, story.policy)
  let state = triggered(start)
  let awayUntil = start
  const advance = (until: number) => {
    while (state.dueAt !== null && Math.max(state.dueAt, awayUntil) < until) {
      const now = Math.max(state.dueAt, awayUntil)
      const step = nextStep(snapshot, state, now, resolverAt(calendar, [version], people, {}, now))
      for (const decision of step.decisions)
        story.told.push(`+${durationText(now - start)} ${decisionText(decision)}`)
      // What is stored and read again must be the same.
      state = JSON.parse(JSON.stringify(step.state))
    }
  }
  for (const event of events) {
    const match = /^\+(\w+)=(ack:\w+|away:\w+|resolved|end)$/.exec(event)
    if (match === null) throw new Error(`unknown event "${event}"`)
    const at = start + parseDuration(match[1]!)!
    advance(at)
    if (match[2]!.startsWith('ack:')) state = acknowledge(snapshot, state, match[2]!.slice(4), at)
    if (match[2]!.startsWith('away:')) awayUntil = at + parseDuration(match[2]!.slice(5))!
    if (match[2] === 'resolved') state = resolve(state)
  }
  story.told.push(
    `${state.phase}${state.dueAt === null ? '' : ` due +${durationText(state.dueAt - start)}`}`,
  )
}

function durationText(millis: number): string {
  const minutes = Math.floor(millis / 60_000)
  const seconds = (millis % 60_000) / 1000
  return `${minutes}m${seconds === 0 ? '' : `${seconds}s`}`
}

function decisionText(decision: Decision): string {
  switch (decision.kind) {
    case 'notify': {
      const gaps = decision.gaps.length === 0 ? '' : ` (${decision.gaps.join('; ')})`
      return `notify ${decision.key} ${decision.recipients.map(({ id }) => id).join(' ')}${gaps}`
    }
    case 'skip':
      return `skip ${decision.key} (${decision.reason})`
    case 'catch-all':
      return `SHOUT ${decision.key} ${decision.recipients.map(({ id }) => id).join(' ') || '-'} (${[...decision.gaps, decision.reason].join('; ')})`
    case 'acknowledgement expired':
      return `acknowledgement of ${decision.acknowledgedBy} expired`
  }
}
