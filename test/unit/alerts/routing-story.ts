import { parse } from 'yaml'
import {
  type AlertView,
  fingerprint,
  type Labels,
  type Millis,
  severityOf,
} from '../../../alerts/alert.ts'
import { noTopology, type Topology } from '../../../alerts/dependency.ts'
import { parseDuration } from '../../../alerts/duration.ts'
import { parseMatchers } from '../../../alerts/matchers.ts'
import {
  type Decision,
  type PipelineInput,
  type PipelineResult,
  runPipeline,
} from '../../../alerts/pipeline.ts'
import {
  newPipeline,
  type PipelineContext,
  type PipelineState,
} from '../../../alerts/pipeline-state.ts'
import { defaultRouting, parseRouting } from '../../../alerts/routing-config.ts'
import { extrasReader, parseExtrasFile } from '../../../alerts/rule-extras.ts'

/** A story about who is told what; test/scenarios/routing/README.md explains the format. */
export interface Story {
  readonly context: PipelineContext
  readonly start: Millis
  readonly end: Millis
  readonly inputs: readonly PipelineInput[]
  readonly told: readonly string[]
  readonly held: readonly string[]
  readonly ended: readonly string[]
}

/** How the story is fed: never split, at each given step, or through JSON after each step. */
export interface Feeding {
  readonly step?: Millis
  readonly json?: boolean
}

interface Sections {
  readonly lines: readonly string[]
  readonly blocks: ReadonlyMap<string, string>
}

function sections(text: string): Sections {
  const lines: string[] = []
  const blocks = new Map<string, string>()
  let block: string | undefined
  for (const line of text.split('\n')) {
    if (line.trim() === '' || line.startsWith('#')) continue
    if (line.startsWith(' ') && block !== undefined)
      blocks.set(block, `${blocks.get(block)}${line}\n`)
    else {
      block = /^(routing|extras|topology)$/.test(line.trim()) ? line.trim() : undefined
      if (block === undefined) lines.push(line.trim())
      else blocks.set(block, '')
    }
  }
  return { lines, blocks }
}

export function parseStory(text: string): Story {
  const { lines, blocks } = sections(text)
  let [start, end]: [Millis, Millis] = [Date.UTC(2026, 0, 5, 8), 0]
  const inputs: PipelineInput[] = []
  const views = new Map<string, AlertView>()
  const [told, held, ended]: [string[], string[], string[]] = [[], [], []]
  for (const line of lines) {
    const [word, ...rest] = line.split(/\s+/)
    const time = (given: string | undefined) => timeOf(given ?? '', start)
    if (word === 'start') start = Date.parse(rest[0]!)
    else if (word === 'end') end = time(rest[0])
    else if (word === 'at' && rest[1] === 'storm')
      for (let i = 0; i < Number(rest[3]); i++)
        inputs.push(
          inputOf(`at x fire ${rest[2]}${i} ${rest.slice(4).join(' ')}`, time(rest[0]), views),
        )
    else if (word === 'at' && rest[1] === 'calm')
      for (let i = 0; i < Number(rest[3]); i++)
        inputs.push(inputOf(`at x resolve ${rest[2]}${i}`, time(rest[0]), views))
    else if (word === 'at') inputs.push(inputOf(line, time(rest[0]), views))
    else if (word === 'told') told.push(outcome(time(rest[0]), rest.slice(1)))
    else if (word === 'held') held.push(outcome(time(rest[0]), rest.slice(1)))
    else if (word === 'ended') ended.push(outcome(time(rest[0]), rest.slice(1)))
    else throw new Error(`unknown line "${line}"`)
  }
  inputs.sort((a, b) => a.at - b.at)
  return { context: contextOf(blocks), start, end, inputs, told, held, ended }
}

function timeOf(text: string, start: Millis): Millis {
  const length = parseDuration(text.replace(/^0s$/, '0'))
  const time = length === undefined ? Date.parse(text) : start + length
  if (Number.isNaN(time)) throw new Error(`"${text}" is no time`)
  return time
}

function outcome(at: Millis, words: readonly string[]): string {
  return `${new Date(at).toISOString()} ${words.join(' ')}`
}

function contextOf(blocks: ReadonlyMap<string, string>): PipelineContext {
  const routingText = blocks.get('routing')
  const parsed = routingText === undefined ? { faults: [] } : parseRouting(parse(routingText))
  if (parsed.faults.length > 0) throw new Error(JSON.stringify(parsed.faults))
  const routing = 'config' in parsed && parsed.config ? parsed.config : defaultRouting()
  const extras = parseExtrasFile(parse(blocks.get('extras') ?? '{}'))
  if (extras.faults.length > 0) throw new Error(JSON.stringify(extras.faults))
  const calendars = new Map(routing.calendars)
  for (const calendar of extras.calendars) calendars.set(calendar.name, calendar)
  return {
    routing: { ...routing, calendars },
    topology: topologyOf(blocks.get('topology')),
    extrasOf: extrasReader(extras.byRule),
    nudgeBefore: 3_600_000,
  }
}

/** `pbx-1: sw-1 sw-2` any parent down is enough, `pbx-1: all sw-1 sw-2`, `down: {alertname="HostDown"}`. */
function topologyOf(text: string | undefined): Topology {
  if (text === undefined) return noTopology
  const nodes = new Map<string, { parents: string[]; need: 'any' | 'all' }>()
  const down = []
  for (const line of text.trim().split('\n')) {
    const [name, value] = [line.split(':')[0]!.trim(), line.slice(line.indexOf(':') + 1).trim()]
    if (name === 'down') down.push(parseMatchers(value))
    else {
      const parents = value.split(/\s+/)
      const need = parents[0] === 'all' ? 'all' : 'any'
      nodes.set(name, { parents: need === 'all' ? parents.slice(1) : parents, need })
    }
  }
  return { nodes, down }
}

let lives = 0

function inputOf(line: string, at: Millis, views: Map<string, AlertView>): PipelineInput {
  const [, , verb, name = '', ...rest] = line.split(/\s+/)
  if (verb === 'silence') return silenceInput(line, at, name)
  if (verb === 'end-silence') return { kind: 'end-silence', at, id: name, by: 'Ann' }
  if (verb === 'fire') {
    const before = views.get(name)
    const labels = rest.length === 0 ? before?.labels : labelsOf(rest)
    views.set(name, viewOf(name, labels ?? {}, at, `${name}.${++lives}`))
  }
  if (verb === 'fire-earlier')
    views.set(name, viewOf(name, {}, at - parseDuration(rest[0]!)!, `${name}.${++lives}`))
  const view = views.get(name)
  if (view === undefined) throw new Error(`"${line}": ${name} never fired`)
  if (verb === 'value') views.set(name, { ...view, value: rest[0]! })
  if (verb === 'ack') {
    const alert = { ...view, acknowledgedAt: at, acknowledgedBy: 'Ann' }
    return { kind: 'alert', at, change: { kind: 'acknowledged', alert, at, by: 'Ann' } }
  }
  const resolved = { ...view, state: 'resolved' as const, resolvedAt: at }
  if (verb === 'resolve')
    return { kind: 'alert', at, change: { kind: 'resolved', alert: resolved, at } }
  return { kind: 'alert', at, change: { kind: 'firing', alert: views.get(name)!, at } }
}

function labelsOf(words: readonly string[]): Labels {
  return Object.fromEntries(
    words.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
  )
}

export function viewOf(name: string, given: Labels, at: Millis, id: string): AlertView {
  const { value = '1', ...labels } = given
  const all = { alertname: 'Story', name, severity: 'critical', ...labels }
  return {
    id,
    fingerprint: fingerprint(all),
    rule: all.alertname,
    group: 'stories',
    severity: severityOf(all),
    instance: labels['instance'],
    labels: all,
    annotations: {},
    state: 'firing',
    value,
    activeAt: at,
    firedAt: at,
  }
}

/** `silence ID {matchers} for 1h [from 10m] [until-resolved] [during Sun 01:00-05:00 in Zone] : reason`. */
function silenceInput(line: string, at: Millis, id: string): PipelineInput {
  const match = /\{(.*)\} for (\S+)( until-resolved)?(?: during (\S+)-(\S+) in (\S+))?$/.exec(line)
  if (match === null) throw new Error(`"${line}" is no silence`)
  const minutes = (text: string) => Number(text.split(':')[0]) * 60 + Number(text.split(':')[1])
  const interval = {
    times: [{ from: minutes(match[4] ?? '0:0'), to: minutes(match[5] ?? '24:00') }],
    weekdays: [],
    daysOfMonth: [],
    months: [],
    years: [],
    location: match[6] ?? 'UTC',
  }
  const during =
    match[4] === undefined ? undefined : { name: id, intervals: [interval], except: [] }
  return {
    kind: 'silence',
    at,
    silence: {
      id,
      matchers: parseMatchers(match[1]!),
      startsAt: at,
      endsAt: at + parseDuration(match[2]!)!,
      createdAt: at,
      createdBy: 'Ann',
      reason: 'story',
      untilResolved: match[3] !== undefined,
      during,
    },
  }
}

/** All decisions of a story, fed in one of the ways that must make no difference. */
export function runStory(story: Story, feeding: Feeding): readonly Decision[] {
  let state = newPipeline(story.start)
  const decisions: Decision[] = []
  const step = (inputs: readonly PipelineInput[], now: Millis) => {
    const result: PipelineResult = runPipeline(state, story.context, inputs, now)
    state = feeding.json
      ? (JSON.parse(JSON.stringify(result.state)) as PipelineState)
      : result.state
    decisions.push(...result.decisions)
  }
  if (feeding.step === undefined) step(story.inputs, story.end)
  else {
    let done = 0
    for (let now = story.start; now < story.end; now += feeding.step) {
      const next = story.inputs.slice(done).filter((input) => input.at <= now)
      done += next.length
      step(next, now)
    }
    step(story.inputs.slice(done), story.end)
  }
  return decisions
}

/** What a story's lines say of decisions. */
export function told(decisions: readonly Decision[]): {
  readonly told: readonly string[]
  readonly held: readonly string[]
  readonly ended: readonly string[]
} {
  const [tellings, holds, endings]: [string[], string[], string[]] = [[], [], []]
  const nameOf = (alert: AlertView) => alert.labels['name'] ?? alert.id
  for (const decision of decisions) {
    const { at } = decision
    if (decision.kind === 'notify') {
      const names = [
        ...decision.firing.map(({ alert }) => nameOf(alert)),
        ...decision.resolved.map(({ alert }) => `-${nameOf(alert)}`),
      ]
      const said = names.length > 10 ? [`${names.length}-alerts`] : names.sort()
      tellings.push(outcome(at, [decision.receiver, decision.reason, ...said]))
    } else if (decision.kind === 'hold') {
      holds.push(outcome(at, [nameOf(decision.alert), decision.stage]))
    } else endings.push(outcome(at, [decision.silence.id, decision.kind.slice('silence-'.length)]))
  }
  return { told: tellings, held: counted(holds), ended: endings }
}

/** More than ten alerts held at one instant for the same reason are one line. */
function counted(holds: readonly string[]): readonly string[] {
  const kinds = new Map<string, string[]>()
  for (const line of holds) {
    const kind = line.replace(/ \S+ /, ' * ')
    kinds.set(kind, [...(kinds.get(kind) ?? []), line])
  }
  return [...kinds].flatMap(([kind, lines]) =>
    lines.length > 10 ? [kind.replace('*', `${lines.length}-alerts`)] : lines,
  )
}
