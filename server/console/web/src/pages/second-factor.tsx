import { useSignal } from '@preact/signals'
import { post } from '../api.ts'
import type { Account } from '../api-types.ts'
import { t } from '../i18n/language.ts'
import { startLive } from '../live.ts'
import { Field } from '../parts/field.tsx'
import { Form } from '../parts/form.tsx'
import { FullTime } from '../parts/times.tsx'
import { loadAll, loadMe, me } from '../state.ts'

interface Begun {
  readonly secret: string
  readonly uri: string
  readonly qr: string
}

const path = '/api/v1/account/second-factor'

/** Codes of a telephone beside the password: set up with a picture to scan, confirmed by a first code. */
export function SecondFactor({
  account,
  onChanged,
}: {
  account: Account
  onChanged: () => Promise<void>
}) {
  const codes = useSignal<readonly string[] | null>(null)
  const { state, since, recoveryCodesLeft, required } = account.secondFactor
  const show = async (list: readonly string[]) => {
    codes.value = list
    const wasShut = me.peek()?.needsSecondFactor === true
    await Promise.all([onChanged(), loadMe()])
    if (wasShut) {
      startLive()
      void loadAll()
    }
  }
  return (
    <section class="card" aria-labelledby="factor-title">
      <h2 id="factor-title">
        {t('factor.title')}{' '}
        <span class={`badge boxed outline tone-${state === 'on' ? 'ok' : 'warning'}`}>
          {t(state === 'on' ? 'factor.on' : 'factor.off')}
        </span>
      </h2>
      {codes.value !== null && <Codes codes={codes.value} />}
      {state === 'on' ? (
        <>
          <p class="muted note">
            {since !== null && <FullTime at={since} />}
            {' · '}
            {t('factor.codesLeft', { count: recoveryCodesLeft })}
          </p>
          <Proved
            id="codes"
            summary={t('factor.newCodes')}
            submit={t('factor.newCodes')}
            act={async (password) => {
              const answer = await post<{ recoveryCodes: string[] }>(`${path}/recovery-codes`, {
                password,
              })
              await show(answer.recoveryCodes)
            }}
          />
          {!required && (
            <Proved
              id="remove"
              summary={t('factor.remove')}
              submit={t('factor.remove')}
              act={async (password) => {
                await post(`${path}/remove`, { password })
                codes.value = null
                await onChanged()
              }}
            />
          )}
        </>
      ) : account.passwordSetAt === null ? (
        <p class="note">{t('account.noPassword')}</p>
      ) : (
        <SetUp onDone={show} />
      )}
    </section>
  )
}

function SetUp({ onDone }: { onDone: (codes: readonly string[]) => Promise<void> }) {
  const begun = useSignal<Begun | null>(null)
  const [password, code] = [useSignal(''), useSignal('')]
  const begin = async () => {
    begun.value = await post<Begun>(path, { password: password.value })
    password.value = ''
  }
  const confirm = async () => {
    const answer = await post<{ recoveryCodes: string[] }>(`${path}/confirm`, { code: code.value })
    await onDone(answer.recoveryCodes)
  }
  if (begun.value === null)
    return (
      <>
        <p class="note">{t('factor.intro')}</p>
        <Form submit={t('factor.begin')} act={begin}>
          <Field
            id="factor-password"
            label={t('signIn.password')}
            type="password"
            value={password}
            autocomplete="current-password"
            required
          />
        </Form>
      </>
    )
  return (
    <>
      <p class="note">{t('factor.scan')}</p>
      <img
        class="qr"
        alt={t('factor.picture')}
        src={`data:image/svg+xml,${encodeURIComponent(begun.value.qr)}`}
      />
      <p class="note">
        {t('factor.orType')}{' '}
        <code class="secret">{begun.value.secret.match(/.{1,4}/g)?.join(' ')}</code>
      </p>
      <Form submit={t('factor.confirm')} act={confirm}>
        <Field
          id="factor-code"
          label={t('factor.code')}
          value={code}
          autocomplete="one-time-code"
          inputMode="numeric"
          required
        />
      </Form>
    </>
  )
}

function Codes({ codes }: { codes: readonly string[] }) {
  return (
    <div class="recovery" role="status">
      <p>
        <strong>{t('factor.keepCodes')}</strong> {t('factor.codesHelp')}
      </p>
      <ul>
        {codes.map((code) => (
          <li key={code}>
            <code>{code}</code>
          </li>
        ))}
      </ul>
    </div>
  )
}

/** Something that takes the password once more. */
function Proved({
  id,
  summary,
  submit,
  act,
}: {
  id: string
  summary: string
  submit: string
  act: (password: string) => Promise<void>
}) {
  const password = useSignal('')
  return (
    <details>
      <summary>{summary}</summary>
      <Form
        submit={submit}
        act={async () => {
          await act(password.value)
          password.value = ''
        }}
      >
        <Field
          id={`factor-${id}`}
          label={t('signIn.password')}
          type="password"
          value={password}
          autocomplete="current-password"
          required
        />
      </Form>
    </details>
  )
}
