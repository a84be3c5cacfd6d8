import { useSignal } from '@preact/signals'
import { useId } from 'preact/hooks'
import { post } from '../api.ts'
import type { IncidentDetail } from '../api-types.ts'
import { standing } from '../fact-forms.ts'
import type { MessageKey } from '../i18n/catalogue.ts'
import { t } from '../i18n/language.ts'
import { saidName } from '../i18n/workflow-text.ts'
import type { AssignmentShown } from '../incident-card-types.ts'
import { Problem } from '../parts/action-button.tsx'
import { AssignmentAnswer } from '../parts/assignment-answer.tsx'
import { DueTime, Remaining } from '../parts/due.tsx'
import { Field } from '../parts/field.tsx'
import { Form } from '../parts/form.tsx'
import { useRead } from '../parts/read.ts'
import { FullTime } from '../parts/times.tsx'
import { canAct, changes, me } from '../state.ts'
import type { PartProps } from './incident-steps.tsx'

const tones: Readonly<Record<string, string>> = {
  ...{ waiting: 'warning', accepted: 'ok', declined: 'critical', passed: 'silent', over: 'silent' },
}

/** Who was asked to come, until when, and what they answered; and who is asked next. */
export function IncidentAssignments({ incident }: PartProps) {
  const path = `/api/v1/incidents/${encodeURIComponent(incident.id)}/assignments`
  const { answer, error, again } = useRead<{ assignments: readonly AssignmentShown[] }>(path)
  const list = answer.value?.assignments
  const asksMe = list?.some((one) => one.technician === me.value?.name && one.state === 'waiting')
  return (
    <section
      aria-labelledby="assignments-heading"
      class={`card assignments ${asksMe ? 'asks-me' : ''}`}
    >
      <h2 id="assignments-heading">{t('assignments.title')}</h2>
      {error.value !== null && <Problem error={error.value} />}
      {list === undefined && error.value === null && <p class="muted">{t('loading')}</p>}
      {list?.length === 0 && <p class="empty">{t('assignments.none')}</p>}
      <ul class="rows">
        {list?.map((one) => (
          <li key={one.fact}>
            <Assignment {...{ incident }} assignment={one} />
          </li>
        ))}
      </ul>
      {canAct.value && incident.resolvedAt === null && incident.closedAt === null && (
        <Assign {...{ path, again }} services={servicesOf(incident)} />
      )}
    </section>
  )
}

function servicesOf({ facts }: IncidentDetail): readonly string[] {
  const impact = standing(facts).findLast(({ kind }) => kind === 'impact')
  return (impact?.value as { services?: readonly string[] } | undefined)?.services ?? []
}

interface AssignmentProps {
  readonly incident: IncidentDetail
  readonly assignment: AssignmentShown
}

function Assignment({ incident, assignment }: AssignmentProps) {
  const { technician, state, text, assignedBy, assignedAt, answerBy } = assignment
  const mine = technician === me.value?.name
  const arrived = standing(incident.facts).some(
    ({ kind, value }) =>
      kind === 'arrived' && (value as { technician?: string }).technician === technician,
  )
  return (
    <>
      <p class="row-head">
        <span class={`badge boxed tone-${tones[state] ?? 'silent'}`}>
          {t(`assignments.state.${state}` as MessageKey)}
        </span>
        <strong>{technician}</strong>
        {arrived && <span class="badge boxed tone-ok">{t('assignments.arrived')}</span>}
        {state === 'waiting' && <Remaining at={answerBy} />}
      </p>
      <p class="fact-text">{saidName({ kind: 'assigned', recordedBy: assignedBy }, text)}</p>
      <p class="muted note">
        {t('notices.by', { name: assignedBy })} · <FullTime at={assignedAt} />
      </p>
      {state === 'waiting' && (
        <p class="note">
          {t('assignments.answerBy')} <DueTime at={answerBy} />
        </p>
      )}
      {assignment.reason !== null && <p class="note">{assignment.reason}</p>}
      {assignment.exhaustedAt !== null && (
        <p class="problem">
          {t('assignments.exhausted')} <FullTime at={assignment.exhaustedAt} />
        </p>
      )}
      {mine && canAct.value && (
        <AssignmentAnswer {...{ incident, assignment, arrived }} named={technician} />
      )}
    </>
  )
}

interface AssignProps {
  readonly path: string
  readonly services: readonly string[]
  readonly again: () => void
}

/** Asks somebody: whom the schedule says, or a person by name. */
function Assign({ path, services, again }: AssignProps) {
  const id = useId()
  const text = useSignal('')
  const technician = useSignal('')
  const service = useSignal('')
  const byHand = useSignal(false)
  const key = useSignal(crypto.randomUUID?.())
  const told = useSignal('')
  const act = async () => {
    const { assignment } = await post<{ assignment: AssignmentShown }>(path, {
      text: text.value.trim(),
      ...(byHand.value ? { technician: technician.value.trim() } : {}),
      ...(byHand.value || service.value === '' ? {} : { service: service.value }),
      ...(key.value === undefined ? {} : { key: key.value }),
    })
    key.value = crypto.randomUUID?.()
    text.value = ''
    told.value = t('assignments.asked', { name: assignment.technician })
    again()
    changes.incidents.value++
  }
  return (
    <details>
      <summary>{t('assignments.assign')}</summary>
      <Form submit={t('assignments.ask')} act={act}>
        <fieldset class="checks">
          <legend>{t('assignments.whom')}</legend>
          {[false, true].map((hand) => (
            <label key={String(hand)} class="contact-check">
              <input
                type="radio"
                name={`${id}-whom`}
                checked={byHand.value === hand}
                onChange={() => {
                  byHand.value = hand
                }}
              />{' '}
              {t(hand ? 'assignments.byHand' : 'assignments.bySchedule')}
            </label>
          ))}
        </fieldset>
        {byHand.value ? (
          <Field
            id={`${id}-technician`}
            label={t('assignments.technician')}
            value={technician}
            maxLength={200}
            required
          />
        ) : (
          services.length > 1 && (
            <>
              <label for={`${id}-service`}>{t('assignments.service')}</label>
              <select
                id={`${id}-service`}
                value={service.value}
                onChange={(event) => {
                  service.value = event.currentTarget.value
                }}
              >
                <option value="">{t('assignments.anyService')}</option>
                {services.map((name) => (
                  <option key={name} value={name}>
                    {name}
                  </option>
                ))}
              </select>
            </>
          )
        )}
        <Field
          id={`${id}-text`}
          label={t('assignments.text')}
          value={text}
          maxLength={2000}
          required
        />
      </Form>
      <p role="status" class="saved">
        {told.value}
      </p>
    </details>
  )
}
