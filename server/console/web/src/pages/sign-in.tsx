import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { ApiError, postOpen } from '../api.ts'
import { t } from '../i18n/language.ts'
import { startLive } from '../live.ts'
import { Brand, LanguageChoice } from '../parts/header.tsx'
import { PageTitle } from '../parts/page-title.tsx'
import { navigate } from '../router.ts'
import { safeReturnPath } from '../routes.ts'
import { loadAll, loadMe } from '../state.ts'

const command = 'callward sign-in'
type Way = 'link' | 'token'

/** The one-time code of the link (its fragment never reaches a server's log); else a field for a token. */
export function SignIn() {
  const busy = useSignal(false)
  const problem = useSignal<string | null>(null)
  const token = useSignal('')
  const enter = async (way: Way, secret: string) => {
    busy.value = true
    problem.value = null
    try {
      await postOpen('/api/v1/sign-in', way === 'link' ? { code: secret } : { token: secret })
      await loadMe()
      startLive()
      void loadAll()
      navigate(safeReturnPath(new URLSearchParams(location.search).get('return')), 'replace')
    } catch (error) {
      problem.value = refusal(way, error)
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
    void enter('link', decodeURIComponent(code))
    return () => window.removeEventListener('hashchange', again)
  }, [])
  return (
    <div class="sign-in">
      <Brand />
      <div class="card">
        <PageTitle>{t('signIn.title')}</PageTitle>
        {busy.value ? (
          <p role="status">{t('signIn.working')}</p>
        ) : (
          <TokenForm
            token={token}
            problem={problem.value}
            enter={(secret) => enter('token', secret)}
          />
        )}
      </div>
      <LanguageChoice />
    </div>
  )
}

interface FormProps {
  readonly token: { value: string }
  readonly problem: string | null
  readonly enter: (token: string) => Promise<void>
}

function TokenForm({ token, problem, enter }: FormProps) {
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        const secret = token.value.trim()
        if (secret !== '') void enter(secret)
      }}
    >
      {problem !== null && (
        <p class="problem" role="alert">
          <WithCommand text={problem} />
        </p>
      )}
      <p>{t('signIn.intro')}</p>
      <label for="token">{t('signIn.token')}</label>
      <input
        id="token"
        type="password"
        autocomplete="current-password"
        spellcheck={false}
        required
        value={token.value}
        onInput={(event) => {
          token.value = event.currentTarget.value
        }}
      />
      <button type="submit" class="primary">
        {t('signIn.submit')}
      </button>
      <p class="muted">
        <WithCommand text={t('signIn.help')} />
      </p>
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
  return t('signIn.failed', { message: error.message })
}
