import { useSignal } from '@preact/signals'
import { discoveries } from '../../../../../incidents/facts.ts'
import { post } from '../api.ts'
import type { IncidentDetail } from '../api-types.ts'
import type { MessageKey } from '../i18n/catalogue.ts'
import { t } from '../i18n/language.ts'
import { PageTitle } from '../parts/page-title.tsx'
import { PeopleKnown } from '../parts/people-known.tsx'
import { Refusal } from '../parts/refusal.tsx'
import { navigate } from '../router.ts'
import { incidentPath } from '../routes.ts'
import { canAct, takeIncident } from '../state.ts'

const severities = ['sev1', 'sev2', 'sev3', 'sev4'] as const

/** Records an incident that no alert saw. */
export function NewIncident() {
  const key = useSignal(crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`)
  const busy = useSignal(false)
  const error = useSignal<unknown>(null)
  const record = async (form: HTMLFormElement) => {
    if (busy.value) return
    busy.value = true
    error.value = null
    try {
      const body = { ...bodyOf(new FormData(form)), key: key.value }
      const { incident } = await post<{ incident: IncidentDetail }>('/api/v1/incidents', body)
      takeIncident(incident)
      navigate(incidentPath(incident.id))
    } catch (problem) {
      error.value = problem
    } finally {
      busy.value = false
    }
  }
  return (
    <>
      <div class="page-head">
        <PageTitle>{t('newIncident.title')}</PageTitle>
      </div>
      <PeopleKnown />
      {canAct.value ? (
        <form
          class="card fact-form new-incident"
          onSubmit={(event) => {
            event.preventDefault()
            void record(event.currentTarget)
          }}
        >
          <Fields />
          {error.value !== null && <Refusal error={error.value} />}
          <div class="form-end">
            <button type="submit" class="primary" aria-disabled={busy.value}>
              {t('newIncident.record')}
            </button>
          </div>
        </form>
      ) : (
        <p class="empty">{t('incident.readOnly')}</p>
      )}
    </>
  )
}

function Fields() {
  return (
    <>
      <label for="new-phenomenon">{t('newIncident.phenomenon')}</label>
      <textarea id="new-phenomenon" name="phenomenon" rows={3} required maxLength={10_000} />
      <label for="new-services">
        {t('newIncident.services')} <span class="muted note">{t('factForm.oneALine')}</span>
      </label>
      <textarea id="new-services" name="services" rows={2} required maxLength={10_000} />
      <label for="new-host">
        {t('newIncident.host')} <span class="muted note">{t('factForm.optional')}</span>
      </label>
      <input id="new-host" name="host" list="hosts-known" autocomplete="off" maxLength={200} />
      <label for="new-severity">
        {t('incidents.severity')} <span class="muted note">{t('factForm.optional')}</span>
      </label>
      <select id="new-severity" name="severity">
        <option value="" />
        {severities.map((name) => (
          <option key={name} value={name}>
            {t(`incidentSeverity.${name}`)}
          </option>
        ))}
      </select>
      <label for="new-detected">
        {t('newIncident.detectedAt')} <span class="muted note">{t('factForm.whenEmpty')}</span>
      </label>
      <input id="new-detected" name="detectedAt" type="datetime-local" />
      <label for="new-occurred">
        {t('newIncident.occurredAt')} <span class="muted note">{t('factForm.optional')}</span>
      </label>
      <input id="new-occurred" name="occurredAt" type="datetime-local" />
      <label for="new-cause">
        {t('newIncident.cause')} <span class="muted note">{t('newIncident.causeHelp')}</span>
      </label>
      <textarea id="new-cause" name="cause" rows={2} maxLength={10_000} />
      <label for="new-discovery">{t('newIncident.discovery')}</label>
      <select id="new-discovery" name="discovery" value="staff">
        {discoveries.map((name) => (
          <option key={name} value={name}>
            {t(`discovery.${name}` as MessageKey)}
          </option>
        ))}
      </select>
    </>
  )
}

/** The body of the request; what was left empty is left out. */
function bodyOf(form: FormData): Record<string, unknown> {
  const text = (name: string) => String(form.get(name) ?? '').trim()
  const lines = text('services').split('\n')
  const services = [...new Set(lines.map((line) => line.trim()).filter((line) => line !== ''))]
  const given = (name: string, value: unknown = text(name)) =>
    text(name) === '' ? {} : { [name]: value }
  const instant = (name: string) =>
    text(name) === '' ? {} : { [name]: new Date(text(name)).toISOString() }
  return {
    phenomenon: text('phenomenon'),
    services,
    ...(text('host') === '' ? {} : { hosts: [text('host')] }),
    ...given('severity'),
    ...given('cause'),
    ...given('discovery'),
    ...instant('detectedAt'),
    ...instant('occurredAt'),
  }
}
