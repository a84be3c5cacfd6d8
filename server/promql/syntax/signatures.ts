type ArgumentType = 'scalar' | 'vector' | 'matrix' | 'string'

/** What a function takes and gives. */
export interface FunctionSignature {
  readonly name: string
  readonly args: readonly ArgumentType[]
  /** 0: all arguments needed; n > 0: the last is optional, up to n of it; -1: any number of it. */
  readonly variadic: number
  readonly returns: 'scalar' | 'vector'
  readonly experimental: boolean
}

interface Shape {
  readonly variadic?: number
  readonly returns?: 'scalar' | 'vector'
  readonly experimental?: boolean
}

const table = new Map<string, FunctionSignature>()

function define(names: string, args: readonly ArgumentType[], shape: Shape = {}): void {
  for (const name of names.split(' ')) {
    table.set(name, {
      name,
      args,
      variadic: shape.variadic ?? 0,
      returns: shape.returns ?? 'vector',
      experimental: shape.experimental ?? false,
    })
  }
}

define('abs absent ceil exp floor ln log10 log2 sgn sqrt timestamp', ['vector'])
define('acos acosh asin asinh atan atanh cos cosh deg rad sin sinh sort sort_desc tan tanh', [
  'vector',
])
define('histogram_avg histogram_count histogram_stddev histogram_stdvar histogram_sum', ['vector'])
define('day_of_month day_of_week day_of_year days_in_month hour minute month year', ['vector'], {
  variadic: 1,
})
define('absent_over_time avg_over_time changes count_over_time delta deriv', ['matrix'])
define('first_over_time idelta increase irate last_over_time max_over_time', ['matrix'])
define('min_over_time present_over_time rate resets stddev_over_time', ['matrix'])
define('stdvar_over_time sum_over_time', ['matrix'])
define('mad_over_time ts_of_first_over_time ts_of_last_over_time', ['matrix'], {
  experimental: true,
})
define('ts_of_max_over_time ts_of_min_over_time', ['matrix'], { experimental: true })
define('predict_linear', ['matrix', 'scalar'])
define('quantile_over_time', ['scalar', 'matrix'])
define('double_exponential_smoothing', ['matrix', 'scalar', 'scalar'], { experimental: true })
define('clamp', ['vector', 'scalar', 'scalar'])
define('clamp_max clamp_min', ['vector', 'scalar'])
define('round', ['vector', 'scalar'], { variadic: 1 })
define('histogram_fraction', ['scalar', 'scalar', 'vector'])
define('histogram_quantile', ['scalar', 'vector'])
define('histogram_quantiles', ['vector', 'string', 'scalar', 'scalar'], {
  variadic: 9,
  experimental: true,
})
define('label_replace', ['vector', 'string', 'string', 'string', 'string'])
define('label_join', ['vector', 'string', 'string', 'string'], { variadic: -1 })
define('sort_by_label sort_by_label_desc', ['vector', 'string'], {
  variadic: -1,
  experimental: true,
})
define('info', ['vector', 'vector'], { variadic: 1, experimental: true })
define('start_timestamp', ['vector'], { experimental: true })
define('pi time', [], { returns: 'scalar' })
define('scalar', ['vector'], { returns: 'scalar' })
define('vector', ['scalar'])
define('end range start step', [], { returns: 'scalar', experimental: true })
define('max_of min_of', ['scalar', 'scalar'], { returns: 'scalar', experimental: true })

/** Every function of the language by name; names are case-sensitive. */
export const functionSignatures: ReadonlyMap<string, FunctionSignature> = table
