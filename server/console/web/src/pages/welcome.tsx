import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { postOpen } from '../api.ts'
import { t } from '../i18n/language.ts'
import { Field } from '../parts/field.tsx'
import { Form, sentence } from '../parts/form.tsx'
import { Brand, LanguageChoice } from '../parts/header.tsx'
import { PageTitle } from '../parts/page-title.tsx'

/** An invitation, or a link to a new password: its owner chooses one, then signs in with it. */
export function Welcome() {
  const code = useSignal('')
  const name = useSignal<string | null>(null)
  const problem = useSignal<string | null>(null)
  const done = useSignal(false)
  const [password, again] = [useSignal(''), useSignal('')]
  useEffect(() => {
    code.value = decodeURIComponent(location.hash.slice(1))
    // Out of the address bar and the history; the link stays good until a password is set.
    history.replaceState(null, '', location.pathname)
    postOpen<{ name: string }>('/api/v1/password-links/look', { code: code.value || '-' })
      .then((owner) => {
        name.value = owner.name
      })
      .catch((error: unknown) => {
        problem.value = sentence(error)
      })
  }, [])
  const save = async () => {
    if (password.value !== again.value) throw new Error(t('account.notTheSame'))
    await postOpen('/api/v1/password-links/use', { code: code.value, password: password.value })
    done.value = true
  }
  return (
    <div class="sign-in">
      <Brand />
      <div class="card">
        <PageTitle>{t('welcome.title')}</PageTitle>
        {problem.value !== null && (
          <p class="problem" role="alert">
            {problem.value}
          </p>
        )}
        {name.value !== null && !done.value && (
          <>
            <p>{t('welcome.intro', { name: name.value })}</p>
            <Form submit={t('welcome.save')} act={save}>
              <input type="text" value={name.value} autocomplete="username" hidden readOnly />
              <NewPassword password={password} again={again} />
            </Form>
          </>
        )}
        {done.value && (
          <p role="status">
            {t('welcome.done')} <a href="/sign-in">{t('signIn.title')}</a>
          </p>
        )}
      </div>
      <LanguageChoice />
    </div>
  )
}

/** Two fields for a new password. */
export function NewPassword({
  password,
  again,
}: {
  password: { value: string }
  again: { value: string }
}) {
  return (
    <>
      <Field
        id="new-password"
        label={t('account.newPassword')}
        type="password"
        value={password}
        autocomplete="new-password"
        help={t('account.passwordHelp')}
        required
      />
      <Field
        id="new-password-again"
        label={t('account.again')}
        type="password"
        value={again}
        autocomplete="new-password"
        required
      />
    </>
  )
}
