import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { get, put, remove } from '../api.ts'
import type { Team } from '../api-types.ts'
import { t } from '../i18n/language.ts'
import type { OncallPerson } from '../oncall-types.ts'
import { Problem } from '../parts/action-button.tsx'
import { Field } from '../parts/field.tsx'
import { Form } from '../parts/form.tsx'
import { HubAction } from '../parts/hub-action.tsx'
import { PageTitle } from '../parts/page-title.tsx'
import { PeopleTabs } from '../parts/people-tabs.tsx'
import { me } from '../state.ts'

/** Teams: whom policies tell together, and who keeps their contact points. */
export function Teams() {
  const teams = useSignal<readonly Team[] | null>(null)
  const people = useSignal<readonly OncallPerson[]>([])
  const error = useSignal<unknown>(null)
  const read = async () => {
    try {
      const [known, everybody] = await Promise.all([
        get<{ teams: Team[] }>('/api/v1/teams'),
        get<{ people: OncallPerson[] }>('/api/v1/oncall/people'),
      ])
      teams.value = known.teams
      people.value = everybody.people.filter(({ enabled }) => enabled)
      error.value = null
    } catch (problem) {
      error.value = problem
    }
  }
  useEffect(() => {
    void read()
  }, [])
  const isAdmin = me.value?.role === 'admin'
  return (
    <>
      <div class="page-head">
        <PageTitle>{t('teams.title')}</PageTitle>
        <PeopleTabs chosen="teams" />
      </div>
      <p class="note">{t('teams.intro')}</p>
      {error.value !== null && <Problem error={error.value} />}
      {teams.value?.length === 0 && <p class="empty">{t('teams.none')}</p>}
      <ul class="stack people">
        {(teams.value ?? []).map((team) => (
          <li key={team.id} class="card">
            <One team={team} people={people.value} isAdmin={isAdmin} onChanged={read} />
          </li>
        ))}
      </ul>
      {isAdmin && (
        <section class="card" aria-labelledby="new-team">
          <h2 id="new-team">{t('teams.add')}</h2>
          <TeamForm people={people.value} onSaved={read} />
        </section>
      )}
    </>
  )
}

interface OneProps {
  readonly team: Team
  readonly people: readonly OncallPerson[]
  readonly isAdmin: boolean
  readonly onChanged: () => Promise<void>
}

function One({ team, people, isAdmin, onChanged }: OneProps) {
  const { id, name, members } = team
  const names = members.map((one) =>
    one.enabled ? one.name : `${one.name} (${t('people.disabled')})`,
  )
  return (
    <>
      <p>
        <strong>{name}</strong> <code>{id}</code>
      </p>
      <p class="muted note">{names.join(', ') || t('nothing')}</p>
      {isAdmin && (
        <>
          <details>
            <summary aria-label={t('teams.changeThis', { name })}>{t('teams.change')}</summary>
            <TeamForm key={JSON.stringify(team)} team={team} people={people} onSaved={onChanged} />
          </details>
          <HubAction
            label={t('teams.remove')}
            accessibleLabel={t('teams.removeThis', { name })}
            act={async () => {
              if (!confirm(t('teams.removeThis', { name }))) return
              await remove(`/api/v1/teams/${encodeURIComponent(id)}`)
              await onChanged()
            }}
          />
        </>
      )}
    </>
  )
}

function TeamForm({
  team,
  people,
  onSaved,
}: {
  team?: Team
  people: readonly OncallPerson[]
  onSaved: () => Promise<void>
}) {
  const [id, name] = [useSignal(team?.id ?? ''), useSignal(team?.name ?? '')]
  const chosen = useSignal<ReadonlySet<string>>(new Set(team?.members.map((one) => one.id)))
  const prefix = `team-${team?.id ?? 'new'}`
  const save = async () => {
    await put(`/api/v1/teams/${encodeURIComponent(id.value.trim())}`, {
      name: name.value.trim(),
      members: [...chosen.value],
    })
    if (team === undefined) {
      id.value = ''
      name.value = ''
      chosen.value = new Set()
    }
    await onSaved()
  }
  const toggle = (person: string) => {
    const next = new Set(chosen.value)
    if (!next.delete(person)) next.add(person)
    chosen.value = next
  }
  return (
    <Form submit={t('teams.save')} act={save}>
      {team === undefined && (
        <Field
          id={`${prefix}-id`}
          label={t('teams.id')}
          value={id}
          help={t('teams.idHelp')}
          maxLength={63}
          required
        />
      )}
      <Field id={`${prefix}-name`} label={t('teams.name')} value={name} maxLength={100} required />
      <fieldset>
        <legend>{t('teams.members')}</legend>
        {people.map((person) => (
          <label key={person.id} class="contact-check">
            <input
              type="checkbox"
              checked={chosen.value.has(person.id)}
              onChange={() => toggle(person.id)}
            />{' '}
            {person.name}
          </label>
        ))}
      </fieldset>
    </Form>
  )
}
