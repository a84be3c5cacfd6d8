import { useSignal } from '@preact/signals'
import { useId } from 'preact/hooks'
import { t } from '../i18n/language.ts'
import { codeName, kindName } from '../i18n/workflow-text.ts'
import type { AssignmentShown } from '../incident-card-types.ts'
import { answer } from '../outbox.ts'
import { changes } from '../state.ts'
import { Field } from './field.tsx'
import { Form } from './form.tsx'
import { HubAction } from './hub-action.tsx'

interface Props {
  readonly incident: { readonly id: string; readonly number: number | string }
  readonly assignment: Pick<AssignmentShown, 'fact' | 'state'>
  readonly arrived: boolean
  /** Tells this assignment's buttons from others of the page, for who does not see them. */
  readonly named: string
}

/** What whoever was sent says: yes, no and why, there. Kept and sent later where there is no network. */
export function AssignmentAnswer({ incident, assignment, arrived, named }: Props) {
  const id = useId()
  const told = useSignal('')
  const reason = useSignal('')
  const say = async (what: string, kind: string, text: string, body = {}) => {
    const sent = await answer(incident, assignment.fact, what, { body, kind, text })
    told.value = t(sent ? 'incident.saved' : 'outbox.kept')
    changes.incidents.value++
  }
  const arrive = (mode: 'on_site' | 'remote') => () =>
    say('arrived', 'arrived', codeName('mode', mode), { mode })
  return (
    <>
      {assignment.state === 'waiting' && (
        <>
          <div class="supply">
            <HubAction
              kind="primary"
              label={t('work.accept')}
              accessibleLabel={`${t('work.accept')}: ${named}`}
              act={() => say('accept', 'accepted', kindName('accepted'))}
            />
          </div>
          <details>
            <summary>{t('assignments.decline')}</summary>
            <Form
              submit={t('assignments.decline')}
              act={async () => {
                const said = reason.value.trim()
                await say('decline', 'declined', said, { reason: said })
              }}
            >
              <Field
                id={`${id}-reason`}
                label={t('assignments.reason')}
                value={reason}
                maxLength={2000}
                required
              />
            </Form>
          </details>
        </>
      )}
      {assignment.state === 'accepted' && !arrived && (
        <div class="supply">
          <HubAction
            kind="primary"
            label={t('work.onSite')}
            accessibleLabel={`${t('work.onSite')}: ${named}`}
            act={arrive('on_site')}
          />
          <HubAction
            label={t('work.remote')}
            accessibleLabel={`${t('work.remote')}: ${named}`}
            act={arrive('remote')}
          />
        </div>
      )}
      <p role="status" class="saved">
        {told.value}
      </p>
    </>
  )
}
