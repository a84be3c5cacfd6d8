import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { get, post, remove } from '../api.ts'
import type { Account, Channel, ContactPoint, SendOutcome } from '../api-types.ts'
import { t } from '../i18n/language.ts'
import { ActionButton, Problem } from '../parts/action-button.tsx'
import { channelName } from '../parts/channel-name.ts'
import { PageTitle } from '../parts/page-title.tsx'
import { FullTime } from '../parts/times.tsx'
import { canAct, me } from '../state.ts'
import { ContactPointForm } from './contact-point-form.tsx'

/** Where people are told: their own contact points first, with a test for each. */
export function ContactPoints() {
  const points = useSignal<readonly ContactPoint[] | null>(null)
  const channels = useSignal<readonly Channel[]>([])
  const teams = useSignal<Account['teams']>([])
  const error = useSignal<unknown>(null)
  const read = async () => {
    try {
      const [list, known, account] = await Promise.all([
        get<{ contactPoints: ContactPoint[] }>('/api/v1/contact-points'),
        get<{ channels: Channel[] }>('/api/v1/contact-points/channels'),
        // Accounts of programs are in no team.
        get<Account>('/api/v1/account').catch(() => null),
      ])
      points.value = list.contactPoints
      channels.value = known.channels
      teams.value = account?.teams ?? []
      error.value = null
    } catch (problem) {
      error.value = problem
    }
  }
  useEffect(() => {
    read()
  }, [])
  const all = points.value ?? []
  const own = all.filter(isOwn)
  const others = all.filter((point) => !isOwn(point))
  return (
    <>
      <div class="page-head">
        <PageTitle>{t('contact.title')}</PageTitle>
      </div>
      <p class="note">{t('contact.intro')}</p>
      {error.value !== null && <Problem error={error.value} />}
      <section aria-labelledby="own-points">
        <h2 id="own-points">{t('contact.mine')}</h2>
        {own.length === 0 ? (
          <p class="empty">{t(points.value === null ? 'loading' : 'contact.none')}</p>
        ) : (
          <PointList list={own} onChanged={read} />
        )}
      </section>
      {canAct.value ? (
        <details class="card add-point" open={points.value !== null && own.length === 0}>
          <summary>
            <h2>{t('contact.add')}</h2>
          </summary>
          {channels.value.length > 0 && (
            <ContactPointForm channels={channels.value} teams={teams.value} onMade={read} />
          )}
        </details>
      ) : (
        <p class="note">{t('contact.readOnly')}</p>
      )}
      {others.length > 0 && (
        <section aria-labelledby="other-points">
          <h2 id="other-points">{t('contact.others')}</h2>
          <PointList list={others} onChanged={read} />
        </section>
      )}
    </>
  )
}

function isOwn({ owner }: ContactPoint): boolean {
  return owner.kind === 'person' && owner.name === me.value?.name
}

function PointList({
  list,
  onChanged,
}: {
  list: readonly ContactPoint[]
  onChanged: () => Promise<void>
}) {
  return (
    <ul class="stack">
      {list.map((point) => (
        <li key={point.id} class="card contact-point">
          <Point point={point} onChanged={onChanged} />
        </li>
      ))}
    </ul>
  )
}

function Point({ point, onChanged }: { point: ContactPoint; onChanged: () => Promise<void> }) {
  const result = useSignal<SendOutcome | null>(null)
  const { label } = point
  const path = `/api/v1/contact-points/${encodeURIComponent(point.id)}`
  const test = async () => {
    result.value = null
    result.value = await post<SendOutcome>(`${path}/test`)
    await onChanged()
  }
  const toggle = async () => {
    await post(path, { disabled: point.disabledAt === null })
    await onChanged()
  }
  const takeAway = async () => {
    if (!confirm(t('contact.removeSure', { label }))) return
    await remove(path)
    await onChanged()
  }
  const isOff = point.disabledAt !== null
  return (
    <>
      <p>
        <strong>{label}</strong> <State point={point} />{' '}
        <span class="muted">
          {channelName(point.channel)}
          {typeof point.settings['to'] === 'string' && ` · ${point.settings['to']}`}
          {point.lent && ` · ${t('contact.lent')}`}
          {point.owner.kind === 'shared' && ` · ${t('contact.shared')}`}
          {point.owner.kind === 'team' && ` · ${t('contact.team', { name: point.owner.name })}`}
          {point.owner.kind === 'person' && !isOwn(point) && ` · ${point.owner.name}`}
        </span>
      </p>
      <p class="muted">
        {t('contact.lastTest')}:{' '}
        {point.testedAt === null ? t('contact.never') : <FullTime at={point.testedAt} />}
      </p>
      {point.mine && (
        <div class="contact-actions">
          {!isOff && point.channel !== 'live' && (
            <ActionButton
              kind="primary"
              label={t('contact.test')}
              accessibleLabel={t('contact.testThis', { label })}
              act={test}
            />
          )}
          <ActionButton
            label={t(isOff ? 'contact.enable' : 'contact.disable')}
            accessibleLabel={t(isOff ? 'contact.enableThis' : 'contact.disableThis', { label })}
            act={toggle}
          />
          <ActionButton
            label={t('contact.remove')}
            accessibleLabel={t('contact.removeThis', { label })}
            act={takeAway}
          />
        </div>
      )}
      <p role="status" class="contact-result">
        {result.value !== null && resultText(result.value)}
      </p>
    </>
  )
}

function resultText({ outcome, reason }: SendOutcome): string {
  if (outcome === 'refused') return t('contact.refused', { reason })
  return t(outcome === 'retry' ? 'contact.retry' : 'contact.accepted', { reason })
}

function State({ point }: { point: ContactPoint }) {
  const [key, tone] =
    point.disabledAt !== null
      ? (['disabled', 'unknown'] as const)
      : point.testedAt !== null
        ? (['tested', 'ok'] as const)
        : point.testOutcome === null
          ? (['untested', 'warning'] as const)
          : (['failed', 'critical'] as const)
  return <span class={`badge boxed outline tone-${tone}`}>{t(`contact.${key}`)}</span>
}
