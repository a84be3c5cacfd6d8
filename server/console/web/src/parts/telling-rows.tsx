import type { ComponentChildren } from 'preact'
import type { MessageKey } from '../i18n/catalogue.ts'
import { reasonText, t } from '../i18n/language.ts'
import type { PageAttempt, PageTelling } from '../paging-types.ts'
import { channelName } from './channel-name.ts'
import { FullTime } from './times.tsx'

/** Headings of what `TellingRows` draws. */
export const tellingColumns: readonly MessageKey[] = [
  'pages.who',
  'pages.way',
  'pages.receipt',
  'pages.at',
  'pages.reason',
]

interface Props {
  readonly telling: PageTelling
  /** Cells before. */
  readonly children?: ComponentChildren
}

/** One recipient: a row for each way that was tried, or one that says why none was. */
export function TellingRows({ telling, children }: Props) {
  const { recipient, kind, attempts } = telling
  const who = (
    <td>
      {recipient.name}
      {kind === 'resolved' && <span class="muted"> · {t('pages.over')}</span>}
    </td>
  )
  if (attempts.length === 0)
    return (
      <tr>
        {children}
        {who}
        <td>–</td>
        <td>{t(`telling.${telling.state}`)}</td>
        <td>
          <FullTime at={telling.openedAt} />
        </td>
        <td>{reasonText(telling.reason)}</td>
      </tr>
    )
  return (
    <>
      {attempts.map((attempt) => (
        <tr key={`${attempt.channel} ${attempt.at}`}>
          {children}
          {who}
          <td>{channelName(attempt.channel)}</td>
          <td>
            <Receipt attempt={attempt} />
          </td>
          <td>
            <FullTime at={attempt.displayedAt ?? attempt.receivedAt ?? attempt.at} />
          </td>
          {/* What was true when it was queued is no news once it was shown. */}
          <td>{attempt.displayedAt === null ? reasonText(attempt.reason) : ''}</td>
        </tr>
      ))}
    </>
  )
}

const receipts: Readonly<Record<string, readonly [MessageKey, string]>> = {
  displayed: ['receipt.displayed', 'ok'],
  received: ['receipt.received', 'ok'],
  delivered: ['receipt.delivered', 'ok'],
  accepted: ['receipt.accepted', 'ok'],
  queued: ['receipt.queued', 'silent'],
  retry: ['receipt.retry', 'warning'],
  refused: ['receipt.refused', 'critical'],
}

function Receipt({ attempt }: { attempt: PageAttempt }) {
  const name =
    attempt.displayedAt !== null
      ? 'displayed'
      : attempt.receivedAt !== null
        ? 'received'
        : attempt.outcome
  const [key, tone] = receipts[name] ?? [undefined, 'silent']
  return <span class={`badge boxed outline tone-${tone}`}>{key === undefined ? name : t(key)}</span>
}
