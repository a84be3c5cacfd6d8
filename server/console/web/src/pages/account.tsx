import { type Signal, useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { get, post, remove } from '../api.ts'
import type { Account as AccountAnswer, ConsoleSession } from '../api-types.ts'
import { t } from '../i18n/language.ts'
import { Problem } from '../parts/action-button.tsx'
import { Field } from '../parts/field.tsx'
import { Form } from '../parts/form.tsx'
import { HubAction } from '../parts/hub-action.tsx'
import { PageTitle } from '../parts/page-title.tsx'
import { FullTime } from '../parts/times.tsx'
import { me } from '../state.ts'
import { SecondFactor } from './second-factor.tsx'
import { NewPassword } from './welcome.tsx'

/** One's own account: password, second factor, open sessions. */
export function Account() {
  const account = useSignal<AccountAnswer | null>(null)
  const sessions = useSignal<readonly ConsoleSession[]>([])
  const error = useSignal<unknown>(null)
  const read = async () => {
    try {
      const [own, open] = await Promise.all([
        get<AccountAnswer>('/api/v1/account'),
        get<{ sessions: ConsoleSession[] }>('/api/v1/sessions'),
      ])
      account.value = own
      sessions.value = open.sessions
      error.value = null
    } catch (problem) {
      error.value = problem
    }
  }
  useEffect(() => {
    void read()
  }, [])
  const own = account.value
  return (
    <>
      <div class="page-head">
        <PageTitle>{t('account.title')}</PageTitle>
        {own !== null && (
          <span class="muted">
            {own.name} · {t(`role.${own.role}`)}
            {own.teams.length > 0 && ` · ${own.teams.map(({ name }) => name).join(', ')}`}
          </span>
        )}
      </div>
      {me.value?.needsSecondFactor === true && (
        <p class="problem" role="alert">
          {t('account.factorNeeded')}
        </p>
      )}
      {error.value !== null && <Problem error={error.value} />}
      {own !== null && (
        <div class="account-cards">
          <SecondFactor account={own} onChanged={read} />
          <Password account={own} onChanged={read} />
          <Sessions sessions={sessions} onChanged={read} />
        </div>
      )}
    </>
  )
}

interface PartProps {
  readonly account: AccountAnswer
  readonly onChanged: () => Promise<void>
}

function Password({ account, onChanged }: PartProps) {
  const [password, next, again] = [useSignal(''), useSignal(''), useSignal('')]
  const saved = useSignal(false)
  const save = async () => {
    saved.value = false
    if (next.value !== again.value) throw new Error(t('account.notTheSame'))
    await post('/api/v1/account/password', {
      password: password.value,
      newPassword: next.value,
    })
    for (const field of [password, next, again]) field.value = ''
    saved.value = true
    await onChanged()
  }
  return (
    <section class="card" aria-labelledby="password-title">
      <h2 id="password-title">{t('account.password')}</h2>
      {account.passwordSetAt === null ? (
        <p class="note">{t('account.noPassword')}</p>
      ) : (
        <>
          <p class="muted note">
            {t('account.setAt')}: <FullTime at={account.passwordSetAt} />
          </p>
          <Form submit={t('account.change')} act={save}>
            <Field
              id="old-password"
              label={t('account.oldPassword')}
              type="password"
              value={password}
              autocomplete="current-password"
              required
            />
            <NewPassword password={next} again={again} />
          </Form>
          <p role="status">{saved.value && t('account.changed')}</p>
        </>
      )}
    </section>
  )
}

function Sessions({
  sessions,
  onChanged,
}: {
  sessions: Signal<readonly ConsoleSession[]>
  onChanged: () => Promise<void>
}) {
  const list = sessions.value
  const endOne = async (id: string) => {
    await remove(`/api/v1/sessions/${encodeURIComponent(id)}`)
    await onChanged()
  }
  const endOthers = async () => {
    await remove('/api/v1/sessions')
    await onChanged()
  }
  return (
    <section class="card" aria-labelledby="sessions-title">
      <h2 id="sessions-title">{t('account.sessions')}</h2>
      <ul class="account-list">
        {list.map((session) => (
          <li key={session.id}>
            <p>
              <strong>{session.address ?? t('unknown')}</strong>{' '}
              {session.current && (
                <span class="badge boxed outline tone-ok">{t('account.thisOne')}</span>
              )}
            </p>
            <p class="muted note">
              {t('account.since')} <FullTime at={session.createdAt} />, {t('account.lastSeen')}{' '}
              <FullTime at={session.lastSeenAt} />
            </p>
            {!session.current && (
              <HubAction
                label={t('account.end')}
                accessibleLabel={t('account.endThis', { address: session.address ?? '' })}
                act={() => endOne(session.id)}
              />
            )}
          </li>
        ))}
      </ul>
      {list.length > 1 && <HubAction label={t('account.endOthers')} act={endOthers} />}
    </section>
  )
}
