import { end, metrics, start } from './data.ts'
import type { Random } from './random.ts'

/** A query and what it is made of. */
export interface Query {
  readonly text: string
  /** Productions used, such as `op +`, `fn rate`, `match on`. */
  readonly uses: ReadonlySet<string>
  /** Milliseconds; a range query when `step` is there. */
  readonly time: number
  readonly until?: number
  readonly step?: number
  /** The order of the answer's series counts: the outermost call sorts. */
  readonly ordered: boolean
}

const arithmetic = ['+', '-', '*', '/', '%', '^', 'atan2'] as const
const comparison = ['==', '!=', '>', '<', '>=', '<='] as const
const setOperators = ['and', 'or', 'unless'] as const
const aggregations = 'sum min max avg group stddev stdvar count count_values bottomk topk quantile'
const plainFunctions =
  'abs ceil floor round exp ln log2 log10 sqrt sgn acos acosh asin asinh atan atanh cos cosh sin sinh tan tanh deg rad sort sort_desc timestamp'
const dateFunctions = 'day_of_month day_of_week day_of_year days_in_month hour minute month year'
const rangeFunctions =
  'avg_over_time min_over_time max_over_time sum_over_time count_over_time last_over_time present_over_time stddev_over_time stdvar_over_time changes deriv resets delta idelta'
const counterFunctions = 'rate increase irate'
const otherFunctions =
  'absent absent_over_time clamp clamp_min clamp_max histogram_quantile label_join label_replace predict_linear quantile_over_time scalar vector time pi'
const matchings = [
  'one-to-one',
  'on',
  'ignoring',
  'group_left on',
  'group_left ignoring',
  'group_left labels',
  'group_right on',
  'group_right ignoring',
  'group_right labels',
] as const
const modifiers = [
  'offset +',
  'offset -',
  '@ number',
  '@ start',
  '@ end',
  '@ offset',
  'offset range',
  '@ range',
] as const
const subqueries = ['step', 'default step', 'offset', '@', 'nested'] as const
const matchers = ['=', '!=', '=~', '!~'] as const
const groupings = ['none', 'by', 'without'] as const

const words = (text: string): readonly string[] => text.split(' ')

/** Every production that a run must reach. */
export const productions: readonly string[] = [
  ...arithmetic.map((op) => `op ${op}`),
  ...comparison.flatMap((op) => [`op ${op}`, `op ${op} bool`]),
  ...setOperators.flatMap((op) => [`op ${op}`, `op ${op} on`, `op ${op} ignoring`]),
  'unary -',
  'unary +',
  ...['vector-scalar', 'scalar-vector', 'scalar-scalar', 'vector-vector'].map((s) => `sides ${s}`),
  ...matchings.map((mode) => `match ${mode}`),
  ...words(aggregations).map((name) => `agg ${name}`),
  ...groupings.map((grouping) => `grouping ${grouping}`),
  'grouping before',
  'grouping after',
  ...[plainFunctions, dateFunctions, rangeFunctions, counterFunctions, otherFunctions].flatMap(
    (names) => words(names).map((name) => `fn ${name}`),
  ),
  ...modifiers.map((modifier) => `modifier ${modifier}`),
  ...subqueries.map((kind) => `subquery ${kind}`),
  ...matchers.map((op) => `matcher ${op}`),
  'literal number',
  'literal hex',
  'literal Inf',
  'literal string',
  'answer matrix',
  'query instant',
  'query range',
]

/** What is not asked, and why the two must differ there. */
export const excluded: Readonly<Record<string, string>> = {
  holt_winters: 'renamed double_exponential_smoothing and made experimental in 3.0',
  'first_over_time, mad_over_time, ts_of_*_over_time, info, sort_by_label*, limitk, limit_ratio, histogram_quantiles, start_timestamp, step, range, start, end, min_of, max_of':
    'not in 2.42',
  'fill, fill_left, fill_right, smoothed, anchored, arithmetic in durations': 'not in 2.42',
  'histogram_count, histogram_sum, histogram_fraction, histogram_avg, histogram_stddev, histogram_stdvar':
    'native histograms, which the hub refuses',
  'rate and increase across a gap at the start of the range, of a counter near zero':
    'since 2.51 the way to zero is cut to half an interval (#13725); the data has near-zero counters without gaps and counters far above zero with gaps',
  'stddev and stdvar, also over time, of values whose squares overflow':
    'NaN since 3.0 for infinite ones (#14941); NaN in 2.42 where a sum overflows',
  'comparisons of computed values that differ in the last bit':
    'sums and averages are added up in another way since 2.54',
  'atan2 of a named vector and a number': 'keeps the name before 2.47',
  'comparisons that filter, one to many without group_left':
    'only an error since 3.9 when the filter leaves nothing over (#17668)',
  'a subquery with @ inside a subquery with an offset':
    '2.42 shifts the fixed times of its inner selectors by that offset',
  'timestamp of a selector with @': 'empty in subqueries of 2.42',
  'predict_linear with @': 'in a range query 2.42 gives one step only (#13559)',
  'date functions of NaN and of infinite values':
    'Prometheus shows what its machine makes of them as whole numbers, ours are NaN',
  'topk and bottomk with NaN as parameter': 'an error since 3.6 (#16725)',
  'aggregations with a parameter that changes with the step':
    'taken at each step since 3.5 (#16404)',
  'quoted metric names, names of labels beyond [a-zA-Z0-9_]': 'allowed since 3.0',
  'left ends of ranges and lookbacks': 'open since 3.0; the data stands 3 s off the steps',
}

/** Functions that make much of the last bit of an argument, and `timestamp`: their arguments are samples as they are. */
const ofSamples: ReadonlySet<string> = new Set(
  words('sin cos tan sinh cosh exp floor ceil round timestamp'),
)
/** Between any two vectors; `%` makes much of the last bit and has samples only. */
const matchedArithmetic = ['+', '-', '*', '/', '^', 'atan2'] as const

interface Vector {
  readonly text: string
  /** Labels that tell its elements apart; `job` may come on top. */
  readonly labels: readonly string[]
  /** Binary: must stand in parentheses where it is an operand. */
  readonly open?: boolean
}

type Build = () => Vector

const seconds = (milliseconds: number): string => String(milliseconds / 1000)

/** Makes queries from a grammar. Every query is well typed; matching errors at run time may occur. */
export class Grammar {
  readonly #random: Random
  #uses = new Set<string>()
  /** How deep in subqueries the text is. */
  #inSubquery = 0

  constructor(random: Random) {
    this.#random = random
  }

  /** A query whose outermost construct is of the production `wanted`. */
  query(wanted: string): Query {
    const random = this.#random
    this.#uses = new Set()
    const rangeOnly = wanted === 'query range'
    const instantOnly =
      wanted === 'query instant' ||
      wanted === 'literal string' ||
      wanted === 'answer matrix' ||
      wanted.startsWith('fn sort')
    const ranged = rangeOnly || (!instantOnly && random.chance(0.5))
    this.#use(ranged ? 'query range' : 'query instant')
    const text = this.#root(wanted)
    const ordered = wanted.startsWith('fn sort')
    const first = start + 2_000_000 + random.below(450) * 10_000 + 7000
    if (!ranged) return { text, uses: this.#uses, time: first, ordered }
    const step = random.pick([30_000, 60_000, 150_000, 300_000])
    const until = Math.min(end + 60_000, first + step * (5 + random.below(25)))
    return { text, uses: this.#uses, time: first, until, step, ordered: false }
  }

  #use(production: string): void {
    this.#uses.add(production)
  }

  #root(wanted: string): string {
    const [kind = '', ...rest] = wanted.split(' ')
    const name = rest.join(' ')
    const depth = 1 + this.#random.below(2)
    switch (kind) {
      case 'op':
        return this.#operator(name, depth).text
      case 'match':
        return this.#matched(name, depth).text
      case 'sides':
        return this.#sides(name, depth)
      case 'agg':
        return this.#aggregation(name, depth).text
      case 'grouping':
        return this.#aggregation(undefined, depth, name).text
      case 'fn':
        return this.#call(name, depth)
      case 'modifier':
        return this.#modified(name)
      case 'subquery':
        return this.#overSubquery(name, depth).text
      case 'matcher':
        return this.#selector(undefined, name).text
      case 'unary': {
        this.#use(wanted)
        return `${name}${this.#operand(this.#vector(depth))}`
      }
      case 'literal':
        return this.#literal(name)
      case 'answer':
        this.#use(wanted)
        return this.#random.chance(0.5)
          ? this.#range(this.#metric()).text
          : this.#subquery(this.#pickSubquery(), depth).text
      default:
        return this.#vector(depth + 1).text
    }
  }

  #literal(name: string): string {
    this.#use(`literal ${name}`)
    const random = this.#random
    if (name === 'string')
      return random.pick(['"a text"', "'it''s'", '`raw`', '"\\u00e9\\n"']).replace("''", '')
    if (name === 'hex') return `0x${random.below(4096).toString(16)}`
    if (name === 'Inf') return random.pick(['Inf', '-Inf', '+Inf', 'NaN'])
    return random.pick(['0', '1', '2.5', '1e3', '.5', '-0.125', '1e-3', '42'])
  }

  #metric(labels?: readonly string[]): string {
    const names = Object.keys(metrics).filter(
      (name) => labels === undefined || labels.every((label) => metrics[name]?.includes(label)),
    )
    return this.#random.pick(names)
  }

  /** A selector of a metric with perhaps a matcher; `op` is then that matcher's. */
  #selector(metric: string = this.#metric(), op?: string): Vector {
    const random = this.#random
    const labels = metrics[metric] ?? []
    const chosen = op ?? (random.chance(0.3) ? random.pick(matchers) : undefined)
    if (chosen === undefined) return { text: metric, labels }
    const matcher = this.#matcher(
      chosen,
      labels.filter((label) => label !== 'le'),
    )
    if (random.chance(0.15)) {
      this.#use('matcher =')
      return { text: `{__name__="${metric}",${matcher}}`, labels }
    }
    return { text: `${metric}{${matcher}}`, labels }
  }

  #matcher(op: string, labels: readonly string[]): string {
    this.#use(`matcher ${op}`)
    const values: Record<string, readonly [string, string]> = {
      instance: ['pbx-1', 'pbx.*|sbc-1'],
      code: ['200', '[24]..'],
      zone: ['a', 'a|b'],
      mode: ['run', 'r.n'],
    }
    const label = labels.length === 0 ? 'nothing' : this.#random.pick(labels)
    const [one, several] = values[label] ?? ['', 'x?']
    if (op === '=') return `${label}="${one}"`
    if (op === '!=') return `${label}!="${label === 'nothing' ? 'x' : one}"`
    return op === '=~'
      ? `${label}=~"${several}"`
      : `${label}!~"${label === 'nothing' ? 'x' : one}.?"`
  }

  #duration(): string {
    return this.#random.pick(['50s', '1m', '2m', '5m', '5m30s', '10m', '20m'])
  }

  #offset(): string {
    return this.#random.pick(['10s', '1m', '90s', '5m', '7m', '15m'])
  }

  #instantModifier(): string {
    const random = this.#random
    return random.chance(0.12) ? this.#modifierText(random.pick(modifiers.slice(0, 6))) : ''
  }

  #modifierText(name: string): string {
    this.#use(`modifier ${name}`)
    const random = this.#random
    const at = `@ ${seconds(start + 2_000_000 + random.below(400) * 10_000 + 7000)}`
    const positive = `offset ${this.#offset()}`
    switch (name) {
      case 'offset +':
        return ` ${positive}`
      case 'offset -':
        return ` offset -${this.#offset()}`
      case '@ number':
        return ` ${at}`
      case '@ start':
        return ' @ start()'
      case '@ end':
        return ' @ end()'
      default:
        return random.chance(0.5) ? ` ${at} ${positive}` : ` ${positive} ${at}`
    }
  }

  #modified(name: string): string {
    if (!name.endsWith('range')) return `${this.#selector().text}${this.#modifierText(name)}`
    this.#use(`modifier ${name}`)
    const inner = name.startsWith('@')
      ? this.#random.pick(['@ number', '@ start', '@ end'])
      : this.#random.pick(['offset +', 'offset -'])
    const range = `${this.#selector().text}[${this.#duration()}]${this.#modifierText(inner)}`
    const call = this.#random.pick(words(rangeFunctions))
    this.#use(`fn ${call}`)
    return `${call}(${range})`
  }

  #range(metric: string, fixed = true): Vector {
    const { text, labels } = this.#selector(metric)
    const modifier = fixed
      ? this.#instantModifier()
      : this.#random.chance(0.2)
        ? this.#modifierText(this.#random.pick(['offset +', 'offset -']))
        : ''
    return { text: `${text}[${this.#duration()}]${modifier}`, labels }
  }

  #pickSubquery(): string {
    return this.#random.pick(subqueries)
  }

  /** A subquery; its range is 5 s more than a multiple of 10 s, so that no step stands on its left end. */
  #subquery(asked: string, depth: number): Vector {
    const random = this.#random
    const kind = asked === '@' && this.#inSubquery > 0 ? 'step' : asked
    this.#use(`subquery ${kind}`)
    this.#inSubquery++
    const inner =
      kind === 'nested' && this.#inSubquery < 3
        ? this.#overSubquery(random.pick(['step', 'default step']), 0)
        : this.#vector(Math.min(depth, 1))
    this.#inSubquery--
    const range = random.pick(['65s', '3m5s', '5m5s', '10m5s'])
    const step = kind === 'default step' ? '' : random.pick(['30s', '20s', '1m', '50s'])
    const modifier =
      kind === 'offset'
        ? this.#modifierText(random.pick(['offset +', 'offset -']))
        : kind === '@'
          ? this.#modifierText(random.pick(['@ number', '@ start', '@ end']))
          : ''
    const { text, labels } = inner
    return { text: `${this.#operand(inner, text)}[${range}:${step}]${modifier}`, labels }
  }

  #overSubquery(kind: string, depth: number): Vector {
    const { text, labels } = this.#subquery(kind, depth)
    const name = this.#random.pick(words(rangeFunctions).filter((one) => !one.startsWith('std')))
    this.#use(`fn ${name}`)
    return { text: `${name}(${text})`, labels }
  }

  /** Any vector. */
  #vector(depth: number): Vector {
    const random = this.#random
    if (depth <= 0) {
      const { text, labels } = this.#selector()
      return { text: `${text}${this.#instantModifier()}`, labels }
    }
    return random.pick<Build>([
      () => this.#aggregation(undefined, depth - 1),
      () => this.#aggregation(undefined, depth - 1),
      () => this.#overRange(),
      () => this.#overRange(),
      () => this.#mapped(random.pick(words(plainFunctions)), depth - 1),
      () => this.#operator(random.pick([...arithmetic, ...comparison, ...setOperators]), depth - 1),
      () => this.#operator(random.pick(arithmetic), depth - 1),
      () => this.#matched(random.pick(matchings), depth - 1),
      () => this.#overSubquery(this.#pickSubquery(), depth - 1),
      () => this.#selector(),
    ])()
  }

  /** A vector whose elements are told apart by exactly `labels` and have no others. */
  #byLabels(labels: readonly string[], depth: number, exact = false): Vector {
    const random = this.#random
    const names = ['sum', 'max', 'min', 'count']
    const name = random.pick(exact ? names : [...names, 'avg'])
    this.#use(`agg ${name}`)
    this.#use('grouping by')
    this.#use('grouping before')
    const metric = this.#metric(labels)
    const inner =
      depth > 0 && !exact && random.chance(0.5) ? this.#overRange(metric) : this.#selector(metric)
    return { text: `${name} by (${labels.join(', ')}) (${inner.text})`, labels }
  }

  #overRange(metric: string = this.#metric()): Vector {
    const random = this.#random
    const counter = metric.endsWith('_total') || metric.startsWith('lat_')
    const name =
      counter && random.chance(0.7)
        ? random.pick(words(counterFunctions))
        : random.pick(words(rangeFunctions))
    this.#use(`fn ${name}`)
    const { text, labels } = this.#range(metric)
    return { text: `${name}(${text})`, labels }
  }

  #mapped(name: string, depth: number): Vector {
    this.#use(`fn ${name}`)
    const { text, labels } = ofSamples.has(name) ? this.#selector() : this.#vector(depth)
    const nearest = name === 'round' && this.#random.chance(0.5) ? ', 0.25' : ''
    return { text: `${name}(${text}${nearest})`, labels }
  }

  #operand(vector: Vector, text = vector.text): string {
    return vector.open || /^[-+]/.test(text) ? `(${text})` : text
  }

  #number(): string {
    return this.#random.pick(['0', '1', '2', '0.5', '10', '-1', '1000', '3e4'])
  }

  #scalar(depth: number): string {
    const random = this.#random
    if (depth <= 0 || random.chance(0.5)) return this.#number()
    return random.pick([
      () => this.#call('time', 0),
      () => this.#call('pi', 0),
      () => this.#call('scalar', depth - 1),
      () => `(${this.#number()} ${random.pick(arithmetic)} ${this.#number()})`,
    ])()
  }

  #sides(sides: string, depth: number): string {
    this.#use(`sides ${sides}`)
    const random = this.#random
    const op = random.pick(sides === 'scalar-scalar' ? arithmetic : ['+', '-', '*', '/', '^'])
    this.#use(`op ${op}`)
    const left = sides.startsWith('scalar')
      ? this.#scalar(1)
      : this.#operand(this.#byLabels(['instance'], depth))
    const right = sides.endsWith('scalar')
      ? this.#scalar(1)
      : this.#operand(this.#byLabels(['instance'], depth))
    return `${left} ${op} ${right}`
  }

  /** A binary expression with the operator `name`, which may be `> bool` or `and on`. */
  #operator(name: string, depth: number): Vector {
    const [op = '', extra] = name.split(' ')
    this.#use(`op ${name}`)
    const random = this.#random
    if ((setOperators as readonly string[]).includes(op)) return this.#setOperator(op, extra, depth)
    if (op === 'atan2') return this.#matched(random.pick(matchings), depth, op)
    if (op === '%') return this.#remainder()
    const isComparison = (comparison as readonly string[]).includes(op)
    const bool = extra === 'bool' || (isComparison && extra === undefined && random.chance(0.2))
    if (bool) this.#use(`op ${op} bool`)
    const shown = bool ? `${op} bool` : op
    if (random.chance(0.5)) {
      const vector = this.#vector(depth)
      const [left, right] = [this.#operand(vector), this.#scalar(1)]
      const swapped = random.chance(0.3)
      this.#use(swapped ? 'sides scalar-vector' : 'sides vector-scalar')
      const text = swapped ? `${right} ${shown} ${left}` : `${left} ${shown} ${right}`
      return { text, labels: vector.labels, open: true }
    }
    return this.#matched(random.pick(matchings), depth, shown)
  }

  #remainder(): Vector {
    const vector = this.#selector()
    const number = this.#random.pick(['0', '1', '7', '0.5', '-3', '1000'])
    const swapped = this.#random.chance(0.3)
    this.#use(swapped ? 'sides scalar-vector' : 'sides vector-scalar')
    const text = swapped ? `${number} % ${vector.text}` : `${vector.text} % ${number}`
    return { text, labels: vector.labels, open: true }
  }

  #setOperator(op: string, mode: string | undefined, depth: number): Vector {
    const random = this.#random
    const labels = random.pick([['instance'], ['instance', 'zone']])
    const left = this.#byLabels(labels, depth)
    const same = mode === undefined || mode === 'on'
    const right = this.#byLabels(same ? labels : ['instance'], depth)
    const dropped = labels.filter((label) => label !== 'instance')
    const matching =
      mode === undefined
        ? ''
        : mode === 'on'
          ? ` on (${random.pick(['instance', ''])})`
          : ` ignoring (${dropped.join(', ')})`
    const filtered = random.chance(0.3) ? `(${left.text} > 1)` : left.text
    return { text: `${filtered} ${op}${matching} ${right.text}`, labels, open: true }
  }

  #matched(mode: string, depth: number, op?: string): Vector {
    const random = this.#random
    const shown = op ?? random.pick(matchedArithmetic)
    if (op === undefined) this.#use(`op ${shown}`)
    this.#use(`match ${mode}`)
    this.#use('sides vector-vector')
    const many = random.pick([
      ['instance', 'zone'],
      ['instance', 'code'],
      ['instance', 'mode'],
    ])
    const extra = many[1]!
    // What is compared is exact: the last bit of an average would decide.
    const exact = (comparison as readonly string[]).includes(shown)
    const one = this.#byLabels(['instance'], depth, exact)
    const wide = this.#byLabels(many, depth, exact)
    const binary = (left: Vector, matching: string, right: Vector, labels: readonly string[]) => ({
      text: `${this.#operand(left)} ${shown}${matching} ${this.#operand(right)}`,
      labels,
      open: true,
    })
    const info = { text: 'info', labels: ['instance'] }
    // Rarely something that cannot be matched: both sides must refuse it alike.
    const broken = !exact && random.chance(0.03)
    switch (mode) {
      case 'one-to-one':
        return binary(this.#byLabels(many, depth, exact), '', wide, many)
      case 'on':
        return binary(
          broken ? wide : one,
          ' on (instance)',
          this.#byLabels(['instance'], depth, exact),
          ['instance'],
        )
      case 'ignoring':
        return binary(
          wide,
          ` ignoring (${broken ? extra : 'le'})`,
          this.#byLabels(many, depth, exact),
          many,
        )
      case 'group_left on':
        return binary(wide, ' on (instance) group_left', broken ? wide : one, many)
      case 'group_left ignoring':
        return binary(wide, ` ignoring (${extra}) group_left ()`, one, many)
      case 'group_left labels':
        return binary(wide, ' on (instance) group_left (version, os)', info, many)
      case 'group_right on':
        return binary(one, ' on (instance) group_right', wide, many)
      case 'group_right ignoring':
        return binary(one, ` ignoring (${extra}) group_right ()`, wide, many)
      default:
        return binary(info, ' on (instance) group_right (version)', wide, many)
    }
  }

  #aggregation(name: string | undefined, depth: number, grouping?: string): Vector {
    const random = this.#random
    const chosen = name ?? random.pick(words(aggregations))
    this.#use(`agg ${chosen}`)
    const inner = chosen.endsWith('k') ? this.#distinct() : this.#finite(chosen, depth)
    const parameter = this.#aggregationParameter(chosen)
    const place = grouping === 'before' || grouping === 'after' ? grouping : undefined
    const kind =
      place !== undefined ? random.pick(['by', 'without']) : (grouping ?? random.pick(groupings))
    this.#use(`grouping ${kind}`)
    const keeps = chosen.endsWith('k')
    if (kind === 'none')
      return { text: `${chosen}(${parameter}${inner.text})`, labels: keeps ? inner.labels : [] }
    const listed = inner.labels.length === 0 ? [] : random.some(inner.labels)
    const rest = inner.labels.filter((label) => !listed.includes(label))
    const labels = keeps ? inner.labels : kind === 'by' ? listed : rest
    const clause = `${kind} (${listed.join(', ')})`
    const where = place ?? (random.chance(0.5) ? 'before' : 'after')
    this.#use(`grouping ${where}`)
    const body = `(${parameter}${inner.text})`
    return {
      text: where === 'before' ? `${chosen} ${clause} ${body}` : `${chosen}${body} ${clause}`,
      labels,
    }
  }

  #aggregationParameter(name: string): string {
    const random = this.#random
    if (name === 'count_values') return '"value", '
    if (name === 'quantile') return `${random.pick(['0', '0.25', '0.5', '0.9', '1', '-1', '2'])}, `
    return name.endsWith('k') ? `${random.pick(['1', '2', '3', '5', '0'])}, ` : ''
  }

  /** Values that differ from each other, so that which of equal ones is chosen does not matter. */
  #distinct(): Vector {
    const metric = this.#random.pick(['temp', 'req_total', 'lat_seconds_sum', 'load'])
    if (this.#random.chance(0.5)) return this.#selector(metric)
    this.#use('fn avg_over_time')
    const { text, labels } = this.#selector(metric)
    return { text: `avg_over_time(${text}[${this.#duration()}])`, labels }
  }

  /** Where infinite values are treated otherwise since 2.42, a selector, whose values are finite. */
  #finite(name: string, depth: number): Vector {
    return name.startsWith('std') || name === 'count_values'
      ? this.#selector(this.#metric())
      : this.#vector(depth)
  }

  /** A call of any function, as text: it may be a scalar. */
  #call(name: string, depth: number): string {
    const random = this.#random
    this.#use(`fn ${name}`)
    if (words(plainFunctions).includes(name)) return this.#mapped(name, depth).text
    if (words(dateFunctions).includes(name))
      return random.chance(0.3)
        ? `${name}()`
        : `${name}(${random.chance(0.5) ? 'vector(time())' : `${this.#selector().text} * 1e5`})`
    if (words(rangeFunctions).includes(name) || words(counterFunctions).includes(name)) {
      const counter = words(counterFunctions).includes(name)
      const metric = counter
        ? random.pick(['req_total', 'near_total', 'lat_seconds_bucket', 'lat_seconds_count'])
        : this.#metric()
      return `${name}(${this.#range(metric).text})`
    }
    const vector = () => this.#vector(depth).text
    switch (name) {
      case 'absent':
        return random.chance(0.8)
          ? `absent(nothing{instance="x",code=~"4.."})`
          : `absent(${vector()})`
      case 'absent_over_time':
        return `absent_over_time(${random.chance(0.8) ? 'nothing{zone="a"}' : this.#metric()}[5m])`
      case 'clamp':
        return `clamp(${vector()}, ${this.#number()}, ${random.pick(['5', '50', '-5'])})`
      case 'clamp_min':
      case 'clamp_max':
        return `${name}(${vector()}, ${this.#scalar(depth)})`
      case 'histogram_quantile':
        return this.#histogramQuantile()
      case 'label_join':
        return `label_join(${this.#selector().text}, "joined", "-", "instance", "job", "nothing")`
      case 'label_replace':
        return `label_replace(${this.#selector().text}, "${random.pick(['short', 'instance', 'zone'])}", "${random.pick(['$1', 'x-$2', '', 'a$1'])}", "instance", "${random.pick(['(.*)-(.*)', 'pbx-(.)()', 'nothing'])}")`
      case 'predict_linear':
        return `predict_linear(${this.#range(this.#metric(), false).text}, ${random.pick(['60', '3600', '-600'])})`
      case 'quantile_over_time':
        return `quantile_over_time(${random.pick(['0', '0.3', '0.5', '0.99', '1', '-1', '2'])}, ${this.#range(this.#metric()).text})`
      case 'scalar':
        return `scalar(${random.chance(0.8) ? 'one' : `sum(${vector()})`})`
      case 'vector':
        return `vector(${this.#scalar(depth)})`
      default:
        return `${name}()`
    }
  }

  #histogramQuantile(): string {
    const random = this.#random
    const quantile = random.pick(['0', '0.1', '0.5', '0.9', '0.99', '1', '-1', '2'])
    const name = random.pick(words(counterFunctions))
    this.#use(`fn ${name}`)
    const rate = `${name}(lat_seconds_bucket[${this.#duration()}])`
    const inner = random.pick([
      rate,
      'lat_seconds_bucket',
      `sum by (le) (${rate})`,
      `sum by (instance, le) (${rate})`,
    ])
    return `histogram_quantile(${quantile}, ${inner})`
  }
}
