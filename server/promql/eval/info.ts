import { literalPattern } from '../../literal-pattern.ts'
import type { Matcher } from '../../store/reader.ts'
import { executionFailure } from '../failure.ts'
import { matches } from '../matching.ts'
import { type Call, childrenOf, type Expr, type VectorSelector } from '../syntax/ast.ts'
import { type LabelSet, labelValue, metricName, only, printLabels, withLabel } from './label-set.ts'
import type { Query } from './query.ts'
import { emptyRow, type Frame, mergeRows, type Row } from './rows.ts'
import { selectInstant } from './source.ts'
import type { Evaluation } from './turns.ts'

/** Labels that tell whose info it is; Prometheus has them fixed. */
const identifying = ['instance', 'job']

const targetInfo: Matcher = { name: '__name__', op: '=', value: 'target_info' }
const anyInfo: Matcher = { name: '__name__', op: '=~', value: '.+_info' }

/** The matchers that choose info metrics: without a positive one, any `*_info` or `target_info`. */
function nameMatchers(matchers: readonly Matcher[]): readonly Matcher[] {
  const names = matchers.filter((matcher) => matcher.name === '__name__')
  if (names.some(({ op }) => op === '=' || op === '=~')) return names
  return names.length > 0 ? [anyInfo, ...names] : [targetInfo]
}

interface Anchor {
  readonly at: number | undefined
  readonly offset: number
}

/** When the first selector of the argument looks: info series are looked up at that time too. */
function firstAnchor(expr: Expr): Anchor | undefined {
  if (expr.kind === 'selector') {
    return { at: typeof expr.at === 'number' ? expr.at : undefined, offset: Number(expr.offset) }
  }
  for (const child of childrenOf(expr)) {
    const anchor = firstAnchor(child)
    if (anchor === undefined) continue
    if (expr.kind !== 'subquery' || anchor.at !== undefined) return anchor
    return {
      at: typeof expr.at === 'number' ? expr.at : undefined,
      offset: anchor.offset + Number(expr.offset),
    }
  }
  return undefined
}

function valuesPattern(rows: readonly Row[], name: string): Matcher | undefined {
  const values = new Set(rows.map((row) => labelValue(row.labels, name)).filter((v) => v !== ''))
  if (values.size === 0) return undefined
  return { name, op: '=~', value: literalPattern(values) }
}

/** Info rows by metric name and identifying labels; the values are the samples' times. */
type InfoIndex = ReadonlyMap<string, ReadonlyMap<string, readonly Row[]>>

function* fetchInfo(
  query: Query,
  frame: Frame,
  rows: readonly Row[],
  selection: { readonly names: readonly Matcher[]; readonly data: readonly Matcher[] },
  anchor: Anchor,
): Evaluation<InfoIndex> {
  const identity = identifying.flatMap((name) => valuesPattern(rows, name) ?? [])
  const index = new Map<string, Map<string, Row[]>>()
  if (identity.length === 0) return index
  const selector: VectorSelector = {
    kind: 'selector',
    name: '',
    matchers: [...identity, ...selection.data, ...selection.names],
    offset: anchor.offset,
    ...(anchor.at === undefined ? {} : { at: anchor.at }),
    span: { start: 0, end: 0 },
  }
  for (const row of yield* selectInstant(query, selector, frame, 'time')) {
    const name = metricName(row.labels)
    const byIdentity = index.get(name) ?? new Map<string, Row[]>()
    index.set(name, byIdentity)
    const { key } = only(row.labels, identifying)
    byIdentity.set(key, [...(byIdentity.get(key) ?? []), row])
  }
  return index
}

/** The newest of several info series at a step. */
function newest(candidates: readonly Row[], step: number): Row | undefined {
  let found: Row | undefined
  for (const row of candidates) {
    if (row.present[step] !== 1) continue
    const time = row.values[step] ?? 0
    const best = found?.values[step] ?? Number.NEGATIVE_INFINITY
    if (found !== undefined && time === best) {
      throw executionFailure(
        `found duplicate series for info metric: existing ${printLabels(found.labels)} @ ${best}, ` +
          `new ${printLabels(row.labels)} @ ${time}`,
      )
    }
    if (time > best) found = row
  }
  return found
}

function enrich(base: LabelSet, infos: readonly LabelSet[], wanted: ReadonlySet<string>): LabelSet {
  const added = new Map<string, string>()
  for (const info of infos) {
    info.names.forEach((name, index) => {
      const value = info.values[index] ?? ''
      if (name === '__name__' || (wanted.size > 0 && !wanted.has(name))) return
      const before = added.get(name)
      if (before !== undefined && before !== value) {
        throw executionFailure(`conflicting label: ${name}`)
      }
      if (!base.names.includes(name)) added.set(name, value)
    })
  }
  let labels = base
  for (const [name, value] of added) labels = withLabel(labels, name, value)
  return labels
}

function enrichRow(
  row: Row,
  index: InfoIndex,
  frame: Frame,
  data: readonly Matcher[],
): readonly Row[] {
  const { key } = only(row.labels, identifying)
  const candidates = [...index.values()].flatMap((byIdentity) => {
    const found = byIdentity.get(key)
    return found === undefined ? [] : [found]
  })
  const wanted = new Set(data.map(({ name }) => name))
  const needed = data.some((matcher) => !matches(matcher, ''))
  const results = new Map<string, Row>()
  for (let step = 0; step < frame.steps; step += 1) {
    if (row.present[step] !== 1) continue
    const infos = candidates.flatMap((rows) => newest(rows, step)?.labels ?? [])
    if (infos.length === 0 && needed) continue
    const chosen = infos.map((labels) => labels.key).join('\u0002')
    let result = results.get(chosen)
    if (result === undefined) {
      result = emptyRow(enrich(row.labels, infos, wanted), frame.steps, row.dropName)
      results.set(chosen, result)
    }
    result.present[step] = 1
    result.values[step] = row.values[step] ?? 0
  }
  return [...results.values()]
}

/** `info(v, {selector})`: adds to each series the labels of the info series of its target. */
export function* callInfo(query: Query, call: Call, frame: Frame): Evaluation<readonly Row[]> {
  const [vector, selector] = call.args
  if (vector === undefined) throw new Error('BUG: info without a vector')
  const matchers = selector?.kind === 'selector' ? selector.matchers : []
  const names = nameMatchers(matchers)
  const data = matchers.filter((matcher) => matcher.name !== '__name__')
  const rows = yield* query.evaluate(vector, frame)
  const isInfo = (row: Row): boolean =>
    names.every((matcher) => matches(matcher, metricName(row.labels)))
  const bases = rows.filter((row) => !isInfo(row))
  const anchor = firstAnchor(vector) ?? { at: undefined, offset: 0 }
  const index = yield* fetchInfo(query, frame, bases, { names, data }, anchor)
  const result = rows.flatMap((row) => (isInfo(row) ? [row] : enrichRow(row, index, frame, data)))
  return mergeRows(result)
}
