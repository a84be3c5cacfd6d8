import type { Unit } from '../curves.ts'
import { fullTime } from '../i18n/format.ts'
import { language, t } from '../i18n/language.ts'
import type { CurveData } from './curve-data.ts'
import { inUnit } from './plot.tsx'

/** The same figures as a table, newest first: for screen readers and for copying. */
export function DataTable({ data, unit, title }: { data: CurveData; unit: Unit; title: string }) {
  const order = data.times.map((_, index) => data.times.length - 1 - index)
  return (
    <section
      class="scroll data-table"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
      tabIndex={0}
      aria-label={t('curve.tableOf', { title })}
    >
      <table>
        <thead>
          <tr>
            <th scope="col">{t('curve.time')}</th>
            {data.lines.map((line) => (
              <th key={line.label} scope="col">
                {line.label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {order.map((row) => (
            <tr key={data.times[row]}>
              <th scope="row">
                {fullTime(language.value, new Date(data.times[row]! * 1000).toISOString())}
              </th>
              {data.lines.map((line) => (
                <td key={line.label}>{inUnit(unit, line.values[row])}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}
