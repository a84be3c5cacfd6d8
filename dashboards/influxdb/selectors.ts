import type { InfluxMath, InfluxQuery } from '../layer/influxql.ts'

/** A variable's choice as a condition: Grafana puts `(a|b)` for several, `.+` for all. */
export const chosen = (name: string) => `"${name}" =~ /^$${name}$/`

const hosts = ['customer', 'site', 'role', 'server'].map(chosen).join(' AND ')

/** Tags that name one host; `simulated` only exists on the demo's hosts. */
export const hostTags = ['customer', 'site', 'server', 'role', 'instance', 'simulated']

const nobody = 'fill(none)'

/** Which series of a metric, and how they are named. */
export interface Of {
  readonly metric: string
  /** Conditions beyond the chosen hosts. */
  readonly where?: string
  /** Tags that stay. */
  readonly by?: readonly string[]
  readonly alias?: string
  readonly hidden?: boolean
}

function conditions(where: string | undefined): string {
  return [hosts, ...(where === undefined ? [] : [where]), '$timeFilter'].join(' AND ')
}

function tags(names: readonly string[]): string {
  return names.map((name) => `, "${name}"`).join('')
}

function asQuery(query: string, { alias, hidden }: Of): InfluxQuery {
  return {
    kind: 'query',
    query,
    ...(alias === undefined ? {} : { alias }),
    ...(hidden === undefined ? {} : { hidden }),
  }
}

/** The newest value in each interval, of gauges of which each group of `by` has one series. */
export function gauge(of: Of): InfluxQuery {
  const { metric, where, by = hostTags } = of
  return asQuery(
    `SELECT last("value") FROM "${metric}" WHERE ${conditions(where)} GROUP BY time($__interval)${tags(by)} ${nobody}`,
    of,
  )
}

/** Gauges added up, or counted, over `by`. */
export function overall(of: Of & { readonly how: 'sum' | 'count' }): InfluxQuery {
  const { metric, where, how, by = [] } = of
  return asQuery(
    `SELECT ${how}("one") FROM (SELECT last("value") AS "one" FROM "${metric}" WHERE ${conditions(where)} GROUP BY time($__interval), *) WHERE $timeFilter GROUP BY time($__interval)${tags(by)} ${nobody}`,
    of,
  )
}

/** Growth a second of counters, added up over `by`; a restart counts as no growth. */
export function rate(of: Of): InfluxQuery {
  const { metric, where, by = hostTags } = of
  return asQuery(
    `SELECT sum("rate") FROM (SELECT non_negative_derivative(last("value"), 1s) AS "rate" FROM "${metric}" WHERE ${conditions(where)} GROUP BY time($__interval), *) WHERE $timeFilter GROUP BY time($__interval)${tags(by)} ${nobody}`,
    of,
  )
}

/** InfluxDB joins no two metrics: Grafana does the arithmetic. */
export function math(expression: string, ...labels: readonly string[]): InfluxMath {
  const name = labels.map((label) => `\${__field.labels.${label}}`).join(' ')
  return { kind: 'math', expression, name }
}

/** Real storage: no memory disks, no layers of containers, no read-only images. */
export const realFilesystems = '"fstype" !~ /^(tmpfs|overlay|squashfs|iso9660)$/'

/** Every interface but loopback. */
export const notLoopback = '"device" != \'lo\''
