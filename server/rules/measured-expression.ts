import type { Labels } from '../../alerts/alert.ts'
import { type MeasureMemory, measure, noMemory } from '../../alerts/measure.ts'
import type { RuleExtras } from '../../alerts/rule-extras.ts'
import type { VectorElement } from '../../alerts/state.ts'
import type { Millis } from '../clock.ts'
import type { HostReading } from './host-views.ts'
import type { HostReads, RuleExpression, RuleQueries } from './queries.ts'

export interface MeasuredParts {
  readonly extras: RuleExtras
  readonly queries: RuleQueries
  /** True when an alert with a result's labels fires now. */
  readonly firing: (labels: Labels) => boolean
  /** True while the store takes no samples: then nothing is missed. */
  readonly blind: () => boolean
  /** A result was left out because too little goes on there. */
  readonly onHeld?: (labels: Labels, because: string) => void
}

/** Instants asked at the start for what was there of late, over three times `absent_for`. */
const recallSteps = 12

/** Whether a rule asks for more than its expression's result. */
export function isMeasured({ recovery, absentFor, minimumTraffic }: RuleExtras): boolean {
  return recovery !== undefined || absentFor !== undefined || minimumTraffic !== undefined
}

/**
 * The rule's expression with recovery threshold, absent-for and minimum traffic applied to what it gives. What cannot be worked out
 * (no value to look at, traffic that does not parse) is left out, so that the rule tells too much and never too little.
 */
export function measuredExpression(expr: string, parts: MeasuredParts): RuleExpression {
  const { extras, queries, firing, blind, onHeld } = parts
  const whole = queries.compile(expr)
  const wantsValues = extras.recovery !== undefined || extras.absentFor !== undefined
  const values = wantsValues ? (queries.watched?.(expr) ?? whole) : undefined
  const traffic = trafficOf(extras, queries)
  const known = traffic === undefined ? { ...extras, minimumTraffic: undefined } : extras
  const asked = [whole, values, traffic].filter((one) => one !== undefined)
  const memories = new Map<string, MeasureMemory>()

  /** Measures what one host gave; `''` is what has no host. */
  function take(host: string, [vector, seen, flow]: Answers, now: Millis) {
    const before = memories.get(host) ?? noMemory
    const memory = blind() ? heldAt(before, now) : before
    const input = { vector, values: seen, traffic: flow, firing }
    const measured = measure(known, memory, input, now)
    if (Object.keys(measured.memory.seen).length > 0) memories.set(host, measured.memory)
    else memories.delete(host)
    for (const { labels, because } of measured.held) onHeld?.(labels, because)
    return measured.vector
  }

  return {
    keepsInstance: asked.every(({ keepsInstance }) => keepsInstance),
    async evaluate(at, instance) {
      const ask = async (one: RuleExpression | undefined) =>
        one === undefined ? [] : one.evaluate(at, instance)
      const answers: Answers = [await ask(whole), await ask(values), await ask(traffic)]
      if (instance !== undefined) return take(instance, answers, at)
      const hosts = new Set([...hostsOf(answers[0]), ...hostsOf(answers[1]), ...memories.keys()])
      const split = answers.map(byHost)
      return [...hosts].flatMap((host) => {
        const [vector, seen, flow] = split.map((lists) => lists.get(host) ?? [])
        const everywhere = host === '' ? [] : (split[2]!.get('') ?? [])
        return take(host, [vector!, seen!, [...flow!, ...everywhere]], at)
      })
    },
    ...(asked.every(({ atOnce }) => atOnce !== undefined)
      ? { atOnce: { reads: readsOf(asked), evaluate: atOnce } }
      : {}),
    memory: {
      hosts: () => memories.keys(),
      missing(labels, at) {
        if (extras.absentFor === undefined) return
        remember(memories, [{ labels, value: 0 }], at - extras.absentFor)
      },
      async recall(now) {
        const { absentFor } = extras
        if (absentFor === undefined || values === undefined) return
        for (let step = 0; step < recallSteps; step++)
          remember(memories, await values.evaluate(now - (step * absentFor) / 4), now)
      },
    },
  }

  function atOnce(at: Millis, host: HostReading, instance: string) {
    const ask = (one: RuleExpression | undefined) =>
      one === undefined ? [] : one.atOnce?.evaluate(at, host, instance)
    const [vector, seen, flow] = [ask(whole), ask(values), ask(traffic)]
    if (vector === undefined || seen === undefined || flow === undefined) return undefined
    return take(instance, [vector, seen, flow], at)
  }
}

type Answers = readonly [
  vector: readonly VectorElement[],
  values: readonly VectorElement[],
  traffic: readonly VectorElement[],
]

function trafficOf(extras: RuleExtras, queries: RuleQueries): RuleExpression | undefined {
  if (extras.minimumTraffic === undefined) return undefined
  try {
    return queries.compile(extras.minimumTraffic.expr)
  } catch {
    // Named with its place when the files were read.
    return undefined
  }
}

function readsOf(asked: readonly RuleExpression[]): HostReads {
  const reads = asked.map(({ atOnce }) => atOnce!.reads)
  const any = reads.some(({ metrics }) => metrics === undefined)
  return {
    metrics: any ? undefined : new Set(reads.flatMap(({ metrics }) => [...(metrics ?? [])])),
    labels: new Set(reads.flatMap(({ labels }) => [...labels])),
  }
}

function hostOf({ labels }: VectorElement): string {
  return labels['instance'] ?? ''
}

function byHost(list: readonly VectorElement[]): Map<string, VectorElement[]> {
  const lists = new Map<string, VectorElement[]>()
  for (const element of list) {
    const own = lists.get(hostOf(element))
    if (own === undefined) lists.set(hostOf(element), [element])
    else own.push(element)
  }
  return lists
}

function hostsOf(list: readonly VectorElement[]): string[] {
  return list.map(hostOf)
}

/** While nothing can be seen, no time passes for what is missed. */
function heldAt(memory: MeasureMemory, now: Millis): MeasureMemory {
  const seen = Object.entries(memory.seen).map(([name, one]) => [name, { ...one, at: now }])
  return { seen: Object.fromEntries(seen) }
}

/** Series that are remembered already keep their time. */
function remember(
  memories: Map<string, MeasureMemory>,
  elements: readonly VectorElement[],
  at: Millis,
): void {
  for (const [host, values] of byHost(elements)) {
    const input = { vector: [], values, traffic: [], firing: () => false }
    const { seen } = measure(seenOnly, noMemory, input, at).memory
    memories.set(host, { seen: { ...seen, ...memories.get(host)?.seen } })
  }
}

/** Nothing is missed by these, only seen. */
const seenOnly = { absentFor: Number.POSITIVE_INFINITY } as RuleExtras
