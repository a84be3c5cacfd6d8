import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { get, post, remove } from '../api.ts'
import type { Person, Role } from '../api-types.ts'
import { t } from '../i18n/language.ts'
import { Problem } from '../parts/action-button.tsx'
import { Field } from '../parts/field.tsx'
import { Form } from '../parts/form.tsx'
import { HubAction } from '../parts/hub-action.tsx'
import { PageTitle } from '../parts/page-title.tsx'
import { PeopleTabs } from '../parts/people-tabs.tsx'
import { FullTime } from '../parts/times.tsx'
import { me } from '../state.ts'

interface Invitation {
  readonly url: string
  readonly expiresAt: string
}

const roles: readonly Role[] = ['operator', 'admin', 'auditor']

/** Accounts of people: seen by administrators and auditors, kept by administrators. */
export function People() {
  const people = useSignal<readonly Person[] | null>(null)
  const invitation = useSignal<{ name: string; link: Invitation } | null>(null)
  const error = useSignal<unknown>(null)
  const read = async () => {
    try {
      people.value = (await get<{ people: Person[] }>('/api/v1/people')).people
      error.value = null
    } catch (problem) {
      error.value = problem
    }
  }
  useEffect(() => {
    void read()
  }, [])
  const isAdmin = me.value?.role === 'admin'
  const takeLink = async (name: string, link: Invitation) => {
    invitation.value = { name, link }
    await read()
  }
  return (
    <>
      <div class="page-head">
        <PageTitle>{t('people.title')}</PageTitle>
        <PeopleTabs chosen="people" />
      </div>
      {error.value !== null && <Problem error={error.value} />}
      <div role="status">{invitation.value !== null && <Link {...invitation.value} />}</div>
      {people.value === null ? (
        <p class="empty">{t('loading')}</p>
      ) : (
        <ul class="stack people">
          {people.value.map((person) => (
            <li key={person.id} class="card">
              <One person={person} isAdmin={isAdmin} onChanged={read} onLink={takeLink} />
            </li>
          ))}
        </ul>
      )}
      {isAdmin && <Invite onLink={takeLink} />}
    </>
  )
}

function Link({ name, link }: { name: string; link: Invitation }) {
  const copied = useSignal(false)
  const copy = async () => {
    await navigator.clipboard.writeText(link.url)
    copied.value = true
  }
  return (
    <div class="card recovery">
      <p>
        <strong>{t('people.linkFor', { name })}</strong> {t('people.linkHelp')}{' '}
        <FullTime at={link.expiresAt} />
      </p>
      <p>
        <code class="secret">{link.url}</code>
      </p>
      {window.isSecureContext && (
        <HubAction label={t(copied.value ? 'people.copied' : 'people.copy')} act={copy} />
      )}
    </div>
  )
}

interface OneProps {
  readonly person: Person
  readonly isAdmin: boolean
  readonly onChanged: () => Promise<void>
  readonly onLink: (name: string, link: Invitation) => Promise<void>
}

function One({ person, isAdmin, onChanged, onLink }: OneProps) {
  const { name, role, email, teams, disabledAt, hasPassword, hasSecondFactor } = person
  return (
    <>
      <p>
        <strong>{name}</strong>{' '}
        <span class={`badge boxed outline tone-${disabledAt === null ? 'ok' : 'silent'}`}>
          {disabledAt === null ? t(`role.${role}`) : t('people.disabled')}
        </span>
      </p>
      <p class="muted note">
        {[
          ...(email === null ? [] : [email]),
          t(hasPassword ? 'people.hasPassword' : 'people.noPassword'),
          t(hasSecondFactor ? 'people.hasFactor' : 'people.noFactor'),
          ...(teams.length > 0 ? [`${t('people.teams')}: ${teams.join(', ')}`] : []),
        ].join(' · ')}
      </p>
      {isAdmin && <Actions person={person} onChanged={onChanged} onLink={onLink} />}
    </>
  )
}

function Actions({ person, onChanged, onLink }: Omit<OneProps, 'isAdmin'>) {
  const { id, name, role, disabledAt, hasSecondFactor } = person
  const path = `/api/v1/people/${encodeURIComponent(id)}`
  const change = async (body: object) => {
    await post(path, body)
    await onChanged()
  }
  if (disabledAt !== null)
    return (
      <div class="contact-actions">
        <HubAction
          label={t('people.enable')}
          accessibleLabel={t('people.enableThis', { name })}
          act={() => change({ disabled: false })}
        />
      </div>
    )
  return (
    <div class="contact-actions">
      <RoleChoice person={person} change={(wanted) => change({ role: wanted })} key={role} />
      <HubAction
        label={t('people.link')}
        accessibleLabel={t('people.linkThis', { name })}
        act={async () => onLink(name, await post<Invitation>(`${path}/link`))}
      />
      {hasSecondFactor && (
        <HubAction
          label={t('people.resetFactor')}
          accessibleLabel={t('people.resetFactorThis', { name })}
          act={async () => {
            if (!confirm(t('people.resetFactorThis', { name }))) return
            await remove(`${path}/second-factor`)
            await onChanged()
          }}
        />
      )}
      <HubAction
        label={t('people.disable')}
        accessibleLabel={t('people.disableThis', { name })}
        act={async () => {
          if (confirm(t('people.disableSure', { name }))) await change({ disabled: true })
        }}
      />
    </div>
  )
}

function RoleChoice({ person, change }: { person: Person; change: (role: Role) => Promise<void> }) {
  const wanted = useSignal<Role>(person.role)
  return (
    <>
      <select
        aria-label={t('people.roleOf', { name: person.name })}
        value={wanted.value}
        onChange={(event) => {
          wanted.value = roles.find((one) => one === event.currentTarget.value) ?? person.role
        }}
      >
        {roles.map((one) => (
          <option key={one} value={one}>
            {t(`role.${one}`)}
          </option>
        ))}
      </select>
      {wanted.value !== person.role && (
        <HubAction
          kind="primary"
          label={t('people.changeRole')}
          accessibleLabel={t('people.roleOf', { name: person.name })}
          act={() => change(wanted.value)}
        />
      )}
    </>
  )
}

function Invite({ onLink }: { onLink: OneProps['onLink'] }) {
  const [name, email, role] = [useSignal(''), useSignal(''), useSignal<Role>('operator')]
  const invite = async () => {
    const address = email.value.trim()
    const wanted = name.value.trim()
    const answer = await post<{ invitation: Invitation }>('/api/v1/people', {
      name: wanted,
      role: role.value,
      ...(address === '' ? {} : { email: address }),
    })
    name.value = ''
    email.value = ''
    await onLink(wanted, answer.invitation)
  }
  return (
    <section class="card" aria-labelledby="invite-title">
      <h2 id="invite-title">{t('people.invite')}</h2>
      <Form submit={t('people.invite')} act={invite}>
        <Field id="invite-name" label={t('signIn.name')} value={name} maxLength={64} required />
        <Field id="invite-email" label={t('people.email')} type="email" value={email} />
        <label for="invite-role">{t('people.role')}</label>
        <select
          id="invite-role"
          value={role.value}
          onChange={(event) => {
            role.value = roles.find((one) => one === event.currentTarget.value) ?? 'operator'
          }}
        >
          {roles.map((one) => (
            <option key={one} value={one}>
              {t(`role.${one}`)}
            </option>
          ))}
        </select>
      </Form>
    </section>
  )
}
