import { post } from '../api.ts'
import type { MessageKey } from '../i18n/catalogue.ts'
import { languageNames } from '../i18n/catalogue.ts'
import { t } from '../i18n/language.ts'
import type { CommunicationAnswer, NoticeShown } from '../incident-card-types.ts'
import { Problem } from '../parts/action-button.tsx'
import { DueTime, Remaining } from '../parts/due.tsx'
import { HubAction } from '../parts/hub-action.tsx'
import { useRead } from '../parts/read.ts'
import { FullTime } from '../parts/times.tsx'
import { canAct } from '../state.ts'
import { NoticeCorrection, NoticeForm } from './incident-notice-form.tsx'
import type { PartProps } from './incident-steps.tsx'

/** When the next word is due, what was said to whom and whether it came, and the form that says more. */
export function IncidentNotices({ incident, workflow }: PartProps) {
  const path = `/api/v1/incidents/${encodeURIComponent(incident.id)}`
  const { answer, error, again } = useRead<CommunicationAnswer>(`${path}/communication`)
  const said = answer.value?.communication
  return (
    <section aria-labelledby="notices-heading" class="card notices">
      <h2 id="notices-heading">{t('notices.title')}</h2>
      {error.value !== null && <Problem error={error.value} />}
      {said === undefined && error.value === null && <p class="muted">{t('loading')}</p>}
      {said !== undefined && <NextUpdate said={said} />}
      {said?.notices.length === 0 && <p class="empty">{t('notices.none')}</p>}
      <ul class="rows">
        {said?.notices.map((notice) => (
          <li key={notice.id}>
            <Notice {...{ notice, path, again }} newest={newestSent(said.notices, notice)} />
          </li>
        ))}
      </ul>
      {said !== undefined && said.words.length > 0 && (
        <details>
          <summary>{t('notices.words', { count: said.words.length })}</summary>
          <ul class="rows">
            {said.words.map((notice) => (
              <li key={notice.id}>
                <Notice {...{ notice, path, again }} />
              </li>
            ))}
          </ul>
        </details>
      )}
      {canAct.value && said !== undefined && (
        <NoticeForm
          {...{ path }}
          state={workflow.state}
          audiencesTold={said.notices.map(({ audience }) => audience)}
          sent={again}
        />
      )}
    </section>
  )
}

function NextUpdate({ said }: { said: CommunicationAnswer['communication'] }) {
  const { nextUpdateDueAt, overdue, overdueToldAt, everyMinutes } = said
  if (nextUpdateDueAt === null)
    return (
      <p class="muted">
        {everyMinutes === null
          ? t('notices.noPromise')
          : t('notices.promiseRests', { count: everyMinutes })}
      </p>
    )
  return (
    <p class="row-head">
      {overdue && <span class="badge boxed tone-critical">{t('notices.overdue')}</span>}
      <span>
        {t('notices.next')} <DueTime at={nextUpdateDueAt} />
      </span>
      <Remaining at={nextUpdateDueAt} />
      {overdueToldAt !== null && (
        <span class="muted note">
          {t('notices.overdueTold')} <FullTime at={overdueToldAt} />
        </span>
      )}
    </p>
  )
}

const stateTones: Readonly<Record<string, string>> = {
  ...{ sent: 'ok', delivered: 'ok', accepted: 'info' },
  ...{ waiting: 'warning', expired: 'silent' },
  ...{ rejected: 'critical', refused: 'critical', given_up: 'critical' },
}

function Tag({ state, of }: { state: string; of: 'state' | 'delivery' }) {
  return (
    <span class={`badge boxed tone-${stateTones[state] ?? 'silent'}`}>
      {t(`notices.${of}.${state}` as MessageKey)}
    </span>
  )
}

interface NoticeProps {
  readonly notice: NoticeShown
  /** The version that holds now; undefined for words to staff, which are not corrected. */
  readonly newest?: NoticeShown | undefined
  readonly path: string
  readonly again: () => void
}

/** The newest version of a notice that went out. */
function newestSent(notices: readonly NoticeShown[], { series }: NoticeShown) {
  const versions = notices.filter((one) => one.series === series && one.state === 'sent')
  return versions.toSorted((one, other) => one.version - other.version).at(-1)
}

function Notice({ notice, newest, path, again }: NoticeProps) {
  const { audience, form, language, version, state, sentAt, approvedBy } = notice
  const language_ = languageNames[language as keyof typeof languageNames] ?? ''
  const failed = notice.deliveries.some((one) => ['refused', 'given_up'].includes(one.state))
  return (
    <>
      <p class="row-head">
        <Tag of="state" state={state} />
        <strong>{t(`notices.audience.${audience}` as MessageKey)}</strong>
        <span>{t(`notices.form.${form}` as MessageKey)}</span>
        <span class="muted">
          {language_} · {t('notices.version', { number: version })}
        </span>
        {state === 'sent' && newest !== undefined && newest.id !== notice.id && (
          <span class="badge boxed tone-silent">{t('notices.corrected')}</span>
        )}
      </p>
      <details>
        <summary class="plain-summary">{notice.title}</summary>
        <p class="fact-text">{notice.text}</p>
      </details>
      <p class="muted note">
        {t('notices.by', { name: notice.writtenBy })}
        {approvedBy !== null && `, ${t('notices.approvedBy', { name: approvedBy })}`}
        {' · '}
        <FullTime at={sentAt ?? notice.writtenAt} />
      </p>
      {state === 'waiting' && (
        <p class="note">
          {t('notices.waits')} <a href="/approvals">{t('nav.approvals')}</a>
        </p>
      )}
      {notice.deliveries.length > 0 && (
        <ul class="deliveries">
          {notice.deliveries.map((one) => (
            <li key={one.id}>
              <Tag of="delivery" state={one.state} /> {one.recipient}{' '}
              <span class="muted">
                {one.channel}
                {one.reason !== '' && `: ${one.reason}`}
              </span>
            </li>
          ))}
        </ul>
      )}
      {canAct.value && failed && state === 'sent' && audience !== 'staff' && (
        <HubAction
          label={t('notices.again')}
          accessibleLabel={`${t('notices.again')}: ${notice.title}`}
          act={async () => {
            await post(`${path}/notices/${encodeURIComponent(notice.id)}/again`)
            again()
          }}
        />
      )}
      {canAct.value && newest?.id === notice.id && (
        <NoticeCorrection {...{ notice, path }} sent={again} />
      )}
    </>
  )
}
