import { useSignal } from '@preact/signals'
import { post } from '../api.ts'
import type { VersionChange } from '../api-types.ts'
import { t } from '../i18n/language.ts'
import { ActionButton } from '../parts/action-button.tsx'
import { Age } from '../parts/times.tsx'
import { canAct } from '../state.ts'

/** What changed on the host, newest first; one without a change record can be given its record here. */
export function VersionChanges({
  list,
  onLinked,
}: {
  list: readonly VersionChange[]
  onLinked: () => void
}) {
  if (list.length === 0) return null
  return (
    <div class="card">
      <h3>{t('versionChange.title')}</h3>
      <ol class="version-changes">
        {list.map((change) => (
          <li key={change.id}>
            <Change change={change} onLinked={onLinked} />
          </li>
        ))}
      </ol>
    </div>
  )
}

const itemsShown = 8

function Change({ change, onLinked }: { change: VersionChange; onLinked: () => void }) {
  const tone = change.state === 'open' ? 'warning' : 'ok'
  const items = change.items.slice(0, itemsShown)
  const more = change.items.length + change.omitted - items.length
  return (
    <>
      <p>
        <span class={`badge boxed outline tone-${tone}`}>{t(`versionChange.${change.state}`)}</span>{' '}
        <span class="muted">
          {t('versionChange.number', { number: String(change.number) })} ·{' '}
          <Age at={change.detectedAt} />
        </span>
      </p>
      <ul class="reasons">
        {items.map((item) => (
          <li key={`${item.kind} ${item.subject}`}>
            {t(`itemKind.${item.kind}`)} <strong>{item.subject}</strong>: {shown(item.from)} →{' '}
            {shown(item.to)}
          </li>
        ))}
      </ul>
      {more > 0 && <p class="muted">{t('drift.omitted', { count: more })}</p>}
      {change.links.map((link) => (
        <p key={link.change.id} class="muted">
          {t('versionChange.link', {
            number: String(link.change.number),
            title: link.change.title,
            name: link.by,
          })}
          {link.reason !== '' && `: ${link.reason}`}
        </p>
      ))}
      {change.state === 'open' && canAct.value && <LinkForm change={change} onLinked={onLinked} />}
    </>
  )
}

/** Versions and hashes; a hash is told by its beginning. */
function shown(value: string | null): string {
  if (value === null) return t('versionChange.notThere')
  return /^[0-9a-f]{64}$/.test(value) ? `${value.slice(0, 12)}…` : value
}

function LinkForm({ change, onLinked }: { change: VersionChange; onLinked: () => void }) {
  const number = useSignal('')
  const reason = useSignal('')
  const id = `link-${change.id}`
  const link = async () => {
    await post(`/api/v1/version-changes/${encodeURIComponent(change.id)}/link`, {
      change: number.value.trim(),
      reason: reason.value.trim(),
    })
    onLinked()
  }
  return (
    <details>
      <summary>{t('versionChange.linkTitle')}</summary>
      <div class="link-form">
        <label for={`${id}-number`}>{t('versionChange.recordNumber')}</label>
        <input
          id={`${id}-number`}
          inputMode="numeric"
          value={number.value}
          onInput={(event) => {
            number.value = event.currentTarget.value
          }}
        />
        <label for={`${id}-reason`}>{t('versionChange.reason')}</label>
        <input
          id={`${id}-reason`}
          value={reason.value}
          onInput={(event) => {
            reason.value = event.currentTarget.value
          }}
        />
        <ActionButton kind="primary" label={t('versionChange.linkNow')} act={link} />
      </div>
    </details>
  )
}
