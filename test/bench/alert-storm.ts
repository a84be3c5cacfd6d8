import { performance } from 'node:perf_hooks'
import { type AlertView, fingerprint, type Millis } from '../../alerts/alert.ts'
import { noTopology, type Topology } from '../../alerts/dependency.ts'
import { parseMatchers } from '../../alerts/matchers.ts'
import { type PipelineInput, runPipeline } from '../../alerts/pipeline.ts'
import { newPipeline, type PipelineContext } from '../../alerts/pipeline-state.ts'
import { defaultRouting, parseRouting, type RoutingConfig } from '../../alerts/routing-config.ts'
import { extrasReader } from '../../alerts/rule-extras.ts'

// What a storm costs the alert pipeline: `node dist/test/bench/alert-storm.js`. Prints a table; asserts nothing.

const start: Millis = Date.UTC(2026, 0, 5, 8)

function alertOf(i: number): AlertView {
  const labels = {
    alertname: `Rule${i % 40}`,
    instance: `host-${i % 1_000}`,
    site: `site-${i % 20}`,
    severity: ['critical', 'warning', 'info'][i % 3]!,
    n: String(i),
  }
  return {
    id: `life-${i}`,
    fingerprint: fingerprint(labels),
    rule: labels.alertname,
    group: 'storm',
    severity: labels.severity as AlertView['severity'],
    instance: labels.instance,
    labels,
    annotations: {},
    state: 'firing',
    value: '1',
    activeAt: start,
    firedAt: start,
  }
}

function measured(count: number, calls: number, context: PipelineContext): readonly number[] {
  const alerts = Array.from({ length: count }, (_none, i) => alertOf(i))
  const inputs = (kind: 'firing' | 'resolved', from: Millis): PipelineInput[] =>
    alerts.map((alert, i) => {
      const at = from + Math.floor((i * calls) / count)
      return { kind: 'alert', at, change: { kind, alert, at } }
    })
  let state = newPipeline(start)
  let [firstPage, pages, holds] = [Number.NaN, 0, 0]
  const begun = performance.now()
  for (const [all, from, end] of [
    [inputs('firing', start), start, start + 300_000],
    [inputs('resolved', start + 600_000), start + 600_000, start + 1_200_000],
  ] as const) {
    const size = Math.ceil(count / calls)
    for (let i = 0; i <= calls; i++) {
      const part = all.slice(i * size, (i + 1) * size)
      const result = runPipeline(state, context, part, i === calls ? end : from + i)
      state = result.state
      for (const { kind } of result.decisions) {
        if (kind === 'notify') {
          pages++
          if (Number.isNaN(firstPage)) firstPage = performance.now() - begun
        } else holds++
      }
    }
  }
  return [performance.now() - begun, firstPage, pages, holds]
}

const each = parseRouting({
  route: { receiver: 'x', group_by: ['...'], group_wait: '0s' },
  receivers: [{ name: 'x' }],
}).config!
const single = parseRouting({
  route: { receiver: 'x', group_wait: '0s' },
  receivers: [{ name: 'x' }],
}).config!
const hosts: Topology = {
  nodes: new Map(
    Array.from({ length: 1_000 }, (_none, i) => [
      `host-${i}`,
      { parents: [`switch-${i % 20}`], need: 'any' as const },
    ]),
  ),
  down: [parseMatchers('{alertname="Rule0"}')],
}
const cases: readonly (readonly [string, RoutingConfig, Topology])[] = [
  ['defaults', defaultRouting(), noTopology],
  ['one group', single, noTopology],
  ['each its own group', each, noTopology],
  ['defaults, 1,000 hosts behind switches', defaultRouting(), hosts],
]

console.log('alerts  calls  fire and resolve ms  us/alert  first page ms  pages  holds  routing')
for (const [name, routing, topology] of cases) {
  const context = { routing, topology, extrasOf: extrasReader(new Map()), nudgeBefore: 3_600_000 }
  measured(500, 1, context)
  for (const count of [2_500, 10_000]) {
    for (const calls of [1, 100]) {
      const [total, first, pages, holds] = measured(count, calls, context)
      const cells = [
        count,
        calls,
        total!.toFixed(0),
        ((total! / count) * 1_000).toFixed(1),
        first!.toFixed(1),
        pages,
        holds,
      ]
      console.log(`${cells.map((cell) => String(cell).padEnd(8)).join(' ')} ${name}`)
    }
  }
}
