import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { explain } from '../api.ts'
import type { Curve, Range } from '../curves.ts'
import { language, t } from '../i18n/language.ts'
import { type CurveData, readCurve } from './curve-data.ts'
import { DataTable } from './data-table.tsx'
import { inUnit, Plot } from './plot.tsx'

/** One curve of a host, read again at the range's rhythm while the tab is seen. */
export function CurveCard({ curve, range }: { curve: Curve; range: Range }) {
  const data = useSignal<CurveData | null>(null)
  const error = useSignal<unknown>(null)
  const asTable = useSignal(false)
  const question = curve.queries.map((query) => query.expression).join('\n')
  const words = language.value
  // The question holds host, range and curve; words the labels.
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>
    let stopped = false
    const round = async () => {
      if (!document.hidden) {
        try {
          const answer = await readCurve(curve, range)
          if (stopped) return
          data.value = answer
          error.value = null
        } catch (problem) {
          if (!stopped) error.value = problem
        }
      }
      if (!stopped) timer = setTimeout(round, range.refreshSeconds * 1000)
    }
    void round()
    return () => {
      stopped = true
      clearTimeout(timer)
    }
  }, [question, words])
  const title = t(`curve.${curve.name}`)
  return (
    <article class="card curve-card" aria-label={title}>
      <header>
        <h3>{title}</h3>
        {curve.name === 'network' && <span class="muted note">{t('curve.networkNote')}</span>}
        <button
          type="button"
          class="plain small push"
          aria-expanded={asTable.value}
          aria-label={`${t(asTable.value ? 'curve.hideTable' : 'curve.showTable')}: ${title}`}
          onClick={() => {
            asTable.value = !asTable.value
          }}
        >
          {t(asTable.value ? 'curve.hideTable' : 'curve.showTable')}
        </button>
      </header>
      <CurveBody curve={curve} title={title} data={data.value} error={error.value} />
      {asTable.value && data.value && (
        <DataTable data={data.value} unit={curve.unit} title={title} />
      )}
    </article>
  )
}

interface BodyProps {
  readonly curve: Curve
  readonly title: string
  readonly data: CurveData | null
  readonly error: unknown
}

function CurveBody({ curve, title, data, error }: BodyProps) {
  return (
    <>
      {error !== null && (
        <p class="problem" role="alert">
          {t('curve.failed', { message: explain(error) })}
        </p>
      )}
      {data === null && error === null && <p class="empty plot-space">{t('loading')}</p>}
      {data !== null && data.lines.length === 0 && (
        <p class="empty plot-space">{t('curve.none')}</p>
      )}
      {data !== null && data.lines.length > 0 && (
        <Plot data={data} unit={curve.unit} top={curve.top} label={summary(title, curve, data)} />
      )}
    </>
  )
}

/** What the picture shows, in a sentence: now, lowest and highest of its first line. */
function summary(title: string, curve: Curve, data: CurveData): string {
  const values = data.lines[0]!.values.filter((value) => value !== null)
  return t('curve.summary', {
    title,
    now: inUnit(curve.unit, values.at(-1)),
    lowest: inUnit(curve.unit, Math.min(...values)),
    highest: inUnit(curve.unit, Math.max(...values)),
  })
}
