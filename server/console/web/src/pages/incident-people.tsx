import { useSignal } from '@preact/signals'
import { useId } from 'preact/hooks'
import { staffRoles } from '../../../../../incidents/workflow.ts'
import { t } from '../i18n/language.ts'
import { roleName } from '../i18n/workflow-text.ts'
import { Form } from '../parts/form.tsx'
import { HubAction } from '../parts/hub-action.tsx'
import { canAct, me } from '../state.ts'
import { giveRole, type PartProps } from './incident-steps.tsx'

/** Who has which part in this incident; a part is taken, given, or laid down. */
export function IncidentPeople({ incident, workflow, took }: PartProps) {
  const { roles } = workflow
  return (
    <section class="card" aria-labelledby="parts-heading">
      <h2 id="parts-heading">{t('parts.title')}</h2>
      {roles.length === 0 && <p class="muted">{t('parts.nobody')}</p>}
      <ul class="parts">
        {roles.flatMap(({ role, people }) =>
          people.map((person) => (
            <li key={`${role} ${person}`}>
              <span>
                <strong>{person}</strong> <span class="muted">{roleName(role)}</span>
              </span>
              {canAct.value && (
                <HubAction
                  label={t('parts.end')}
                  accessibleLabel={t('parts.endThis', { name: person, role: roleName(role) })}
                  act={async () => took(await giveRole(incident.id, role, person, true))}
                />
              )}
            </li>
          )),
        )}
      </ul>
      {canAct.value && <Give {...{ incident, workflow, took }} />}
    </section>
  )
}

function Give({ incident, took }: PartProps) {
  const id = useId()
  const role = useSignal('commander')
  const person = useSignal(me.value?.name ?? '')
  return (
    <details>
      <summary>{t('parts.give')}</summary>
      <Form
        submit={t('parts.giveThis')}
        act={async () => took(await giveRole(incident.id, role.value, person.value.trim()))}
      >
        <label for={`${id}-role`}>{t('parts.role')}</label>
        <select
          id={`${id}-role`}
          value={role.value}
          onChange={(event) => {
            role.value = event.currentTarget.value
          }}
        >
          {staffRoles.map((name) => (
            <option key={name} value={name}>
              {roleName(name)}
            </option>
          ))}
        </select>
        <label for={`${id}-person`}>{t('parts.person')}</label>
        <input
          id={`${id}-person`}
          list="people-known"
          autocomplete="off"
          required
          maxLength={200}
          value={person.value}
          onInput={(event) => {
            person.value = event.currentTarget.value
          }}
        />
      </Form>
    </details>
  )
}
