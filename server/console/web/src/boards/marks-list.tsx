import type { Mark } from '../../../../../dashboards/drawing/marks.ts'
import { fullTime } from '../i18n/format.ts'
import { language, t } from '../i18n/language.ts'
import { parseRoute } from '../routes.ts'
import { toneClass } from './shown.tsx'

const mostShown = 30
const time = (seconds: number) => fullTime(language.value, new Date(seconds * 1000).toISOString())

/** The bands of the curves in words, newest first, each with its page. */
export function MarksList({ marks }: { marks: readonly Mark[] }) {
  const shown = marks.toReversed().slice(0, mostShown)
  return (
    <details class="card marks" open={marks.length > 0 && marks.length <= 5}>
      <summary>
        {t('boards.marks')} <span class="count">{marks.length}</span>
      </summary>
      {marks.length === 0 && <p class="muted">{t('boards.marks.none')}</p>}
      <ul>
        {shown.map((mark) => (
          <li key={`${mark.from} ${JSON.stringify(mark.labels)}`}>
            <span class={`lane-key ${toneClass(mark.tone)}`}>
              <MarkTitle mark={mark} />
            </span>{' '}
            <span class="muted">
              {mark.text} ·{' '}
              {mark.lasting
                ? t('boards.mark.since', { from: time(mark.from) })
                : t('boards.mark.between', { from: time(mark.from), to: time(mark.to) })}
            </span>
          </li>
        ))}
      </ul>
      {marks.length > shown.length && (
        <p class="muted">{t('runbook.more', { count: marks.length - shown.length })}</p>
      )}
    </details>
  )
}

function MarkTitle({ mark: { href, title } }: { mark: Mark }) {
  if (href === undefined) return <>{title}</>
  const beside = parseRoute(href) === null ? { target: '_blank', rel: 'noopener' } : {}
  return (
    <a href={href} {...beside}>
      {title}
    </a>
  )
}
