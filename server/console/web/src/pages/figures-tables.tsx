import type { ComponentChildren } from 'preact'
import type { Counted, FiguresAnswer, Spread } from '../figures-types.ts'
import { decimal, monthName } from '../i18n/format.ts'
import { language, t } from '../i18n/language.ts'
import { share, time } from './figures-charts.tsx'

/** Below this many known a 90th percentile is the worst case. */
const fewKnown = 10

/** One row a month, the whole period last. */
export function MonthTable({ answer: { months, whole } }: { answer: FiguresAnswer }) {
  return (
    <FigureTable
      title={t('figures.byMonth')}
      first={t('figures.month')}
      foot={<Row name={t('figures.whole')} figures={whole} />}
    >
      {months.toReversed().map((one) => (
        <Row key={one.month} name={monthName(language.value, one.month)} figures={one.whole} />
      ))}
    </FigureTable>
  )
}

/** One row a service, over the whole period. */
export function ServiceTable({ services }: Pick<FiguresAnswer, 'services'>) {
  return (
    <FigureTable title={t('figures.byService')} first={t('figures.service')} rate>
      {services.map((one) => (
        <Row key={one.service} name={one.service} figures={one} rate />
      ))}
    </FigureTable>
  )
}

interface TableProps {
  readonly title: string
  /** Heading of the first column. */
  readonly first: string
  /** Whether the rate in 30 days is shown: of a month it says nothing new. */
  readonly rate?: boolean
  readonly foot?: ComponentChildren
  readonly children: ComponentChildren
}

function FigureTable({ title, first, rate = false, foot, children }: TableProps) {
  const spread = [t('figures.median'), t('figures.p90'), t('figures.within'), t('figures.known')]
  return (
    <section
      class="card scroll figure-table"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
      tabIndex={0}
      aria-label={title}
    >
      <h2>{title}</h2>
      <table>
        <thead>
          <tr>
            <th scope="col" rowSpan={2}>
              {first}
            </th>
            <th scope="col" rowSpan={2}>
              {t('figures.incidents')}
            </th>
            {rate && (
              <th scope="col" rowSpan={2}>
                {t('figures.per30Days')}
              </th>
            )}
            <th scope="col" rowSpan={2}>
              {t('figures.failedCalls')}
            </th>
            <th scope="colgroup" colSpan={4}>
              {t('figures.toAcknowledge')}
            </th>
            <th scope="colgroup" colSpan={4}>
              {t('figures.toRestore')}
            </th>
          </tr>
          <tr>
            {[...spread, ...spread].map((name, index) => (
              <th key={index} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
        {foot !== undefined && <tfoot>{foot}</tfoot>}
      </table>
    </section>
  )
}

interface RowProps {
  readonly name: string
  readonly figures: Counted
  readonly rate?: boolean
}

function Row({ name, figures, rate = false }: RowProps) {
  return (
    <tr>
      <th scope="row">{name}</th>
      <td>{decimal(language.value, figures.incidents)}</td>
      {rate && <td>{decimal(language.value, figures.per30Days, 1)}</td>}
      <td>{share(figures.failedCallShare)}</td>
      <Cells spread={figures.toAcknowledge} />
      <Cells spread={figures.toRestore} />
    </tr>
  )
}

function Cells({ spread: { count, unknown, ...spread } }: { spread: Spread }) {
  const few = count > 0 && count < fewKnown
  return (
    <>
      <td>{time(spread.medianMillis)}</td>
      <td class={few ? 'muted' : undefined} title={few ? t('figures.few') : undefined}>
        {time(spread.p90Millis)}
      </td>
      <td>{share(spread.withinTargetShare)}</td>
      <td class="muted">
        {count} / {unknown}
      </td>
    </>
  )
}
