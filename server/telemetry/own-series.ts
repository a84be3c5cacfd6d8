import type { Registry } from 'prom-client'
import type { HubFigure } from '../hub-figures.ts'

/** The figures of these metrics as /metrics would say them; those without a number are left out. */
export async function ownFigures(
  registry: Registry,
  names: ReadonlySet<string>,
): Promise<readonly HubFigure[]> {
  const read = await Promise.all(
    [...names].flatMap((name) => registry.getSingleMetric(name)?.get() ?? []),
  )
  return read.flatMap(({ name, values }) =>
    values.flatMap((one) => {
      if (!Number.isFinite(one.value)) return []
      // A histogram's parts carry names of their own.
      const part = 'metricName' in one ? String(one.metricName) : name
      const labels = Object.entries(one.labels).map(([key, value]) => [key, String(value)])
      return { name: part, labels: Object.fromEntries(labels), value: one.value }
    }),
  )
}
