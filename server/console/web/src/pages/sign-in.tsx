import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { ApiError, postOpen } from '../api.ts'
import { t } from '../i18n/language.ts'
import { startLive } from '../live.ts'
import { Field } from '../parts/field.tsx'
import { Brand, LanguageChoice } from '../parts/header.tsx'
import { PageTitle } from '../parts/page-title.tsx'
import { navigate } from '../router.ts'
import { safeReturnPath } from '../routes.ts'
import { loadAll, loadMe, me } from '../state.ts'

const command = 'callward sign-in'
type Way = 'link' | 'token' | 'password'

/** Name and password; else an access token. The one-time code of a link comes as the fragment, which never reaches a server's log. */
export function SignIn() {
  const busy = useSignal(false)
  const problem = useSignal<{ way: Way; text: string } | null>(null)
  const enter = async (way: Way, path: string, body: object) => {
    if (busy.value) return
    busy.value = true
    problem.value = null
    try {
      await postOpen(path, body)
      await goIn()
    } catch (error) {
      problem.value = { way, text: refusal(way, error) }
    } finally {
      busy.value = false
    }
  }
  // The link is used once, when the page opens.
  useEffect(() => {
    // A link pasted into this very tab changes only the part after #.
    const again = () => location.reload()
    window.addEventListener('hashchange', again)
    const code = location.hash.slice(1)
    if (code === '') return () => window.removeEventListener('hashchange', again)
    history.replaceState(null, '', location.pathname + location.search)
    void enter('link', '/api/v1/sign-in', { code: decodeURIComponent(code) })
    return () => window.removeEventListener('hashchange', again)
  }, [])
  const byToken = (token: string) => enter('token', '/api/v1/sign-in', { token })
  const byPassword = (body: object) => enter('password', '/api/v1/sessions', body)
  return (
    <div class="sign-in">
      <Brand />
      <div class="card">
        <PageTitle>{t('signIn.title')}</PageTitle>
        {problem.value !== null && (
          <p class="problem" role="alert">
            <WithCommand text={problem.value.text} />
          </p>
        )}
        <p role="status">{busy.value && t('signIn.working')}</p>
        <PasswordForm enter={byPassword} />
        <details open={problem.value?.way === 'token'}>
          <summary>{t('signIn.byToken')}</summary>
          <TokenForm enter={byToken} />
        </details>
        <p class="muted">
          <WithCommand text={t('signIn.help')} />
        </p>
      </div>
      <LanguageChoice />
    </div>
  )
}

/** Where a second factor is still needed the account page comes first. */
async function goIn(): Promise<void> {
  await loadMe()
  if (me.peek()?.needsSecondFactor === true) {
    navigate('/account', 'replace')
    return
  }
  startLive()
  void loadAll()
  navigate(safeReturnPath(new URLSearchParams(location.search).get('return')), 'replace')
}

function PasswordForm({ enter }: { enter: (body: object) => Promise<void> }) {
  const [name, password, code] = [useSignal(''), useSignal(''), useSignal('')]
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        const typed = code.value.trim()
        void enter({
          name: name.value.trim(),
          password: password.value,
          ...(typed === '' ? {} : { code: typed }),
        })
        code.value = ''
      }}
    >
      <Field id="name" label={t('signIn.name')} value={name} autocomplete="username" required />
      <Field
        id="password"
        label={t('signIn.password')}
        type="password"
        value={password}
        autocomplete="current-password"
        required
      />
      <Field
        id="code"
        label={t('signIn.code')}
        value={code}
        autocomplete="one-time-code"
        help={t('signIn.codeHelp')}
      />
      <button type="submit" class="primary">
        {t('signIn.submit')}
      </button>
    </form>
  )
}

function TokenForm({ enter }: { enter: (token: string) => Promise<void> }) {
  const token = useSignal('')
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        const secret = token.value.trim()
        if (secret !== '') void enter(secret)
      }}
    >
      <Field
        id="token"
        label={t('signIn.token')}
        type="password"
        value={token}
        autocomplete="off"
        required
      />
      <button type="submit">{t('signIn.submitToken')}</button>
    </form>
  )
}

/** The command to type, set apart from the sentence around it. */
function WithCommand({ text }: { text: string }) {
  const [before = '', after] = text.split('{command}')
  return (
    <>
      {before}
      {after !== undefined && <code>{command}</code>}
      {after}
    </>
  )
}

function refusal(way: Way, error: unknown): string {
  if (!(error instanceof ApiError)) return t('signIn.failed', { message: String(error) })
  if (error.status === 0) return t('signIn.unreachable')
  if (error.status === 403) return t('signIn.forbidden')
  if (error.status === 429) return t('signIn.tooMany')
  if (way === 'link' && [400, 401, 404, 410].includes(error.status)) return t('signIn.linkSpent')
  if (way === 'token' && [400, 401].includes(error.status)) return t('signIn.tokenWrong')
  if (way === 'password' && [400, 401].includes(error.status)) return t('signIn.passwordWrong')
  return t('signIn.failed', { message: error.message })
}
