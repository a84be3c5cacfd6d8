import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { get } from '../api.ts'
import { fullTime } from '../i18n/format.ts'
import { language, t } from '../i18n/language.ts'
import { Problem } from '../parts/action-button.tsx'
import { canAct, changes } from '../state.ts'
import { AttachPanel } from './incident-panel-form.tsx'

interface AttachedPanel {
  readonly file: string
  readonly data: string
  readonly text: string
  readonly board: string
  readonly panel: string
  readonly from: string
  readonly to: string
  readonly sha256: string | null
  readonly addedAt: string
  readonly addedBy: string
}

/** Panels that are kept with the incident, as they stood, and a form to attach one more. */
export function IncidentPanels({ id }: { id: string }) {
  const panels = useSignal<readonly AttachedPanel[] | null>(null)
  const error = useSignal<unknown>(null)
  const path = `/api/v1/incidents/${encodeURIComponent(id)}`
  const read = async () => {
    try {
      panels.value = (await get<{ panels: AttachedPanel[] }>(`${path}/panels`)).panels
      error.value = null
    } catch (problem) {
      error.value = problem
    }
  }
  const seen = changes.incidents.value
  useEffect(() => {
    void read()
  }, [id, seen])
  return (
    <section class="card incident-panels" aria-labelledby="panels-heading">
      <h2 id="panels-heading">{t('panels.title')}</h2>
      <p class="muted note">{t('panels.intro')}</p>
      {error.value !== null && <Problem error={error.value} />}
      {panels.value?.length === 0 && <p class="empty">{t('panels.none')}</p>}
      {panels.value?.map((panel) => (
        <Kept key={panel.file} panel={panel} path={path} />
      ))}
      {canAct.value && <AttachPanel path={path} onAttached={read} />}
    </section>
  )
}

function Kept({ panel, path }: { panel: AttachedPanel; path: string }) {
  const { file, data, text, board, addedBy, sha256 } = panel
  const time = (at: string) => fullTime(language.value, at)
  const address = (name: string) => `${path}/attachments/${encodeURIComponent(name)}`
  return (
    <figure>
      {sha256 === null ? (
        <p class="empty">{t('panels.gone')}</p>
      ) : (
        <img
          src={`${address(file)}?inline=true`}
          alt={`${board} · ${panel.panel}`}
          width={960}
          loading="lazy"
        />
      )}
      <figcaption class="muted note">
        {text} · {t('panels.time', { from: time(panel.from), to: time(panel.to) })} ·{' '}
        {t('panels.by', { name: addedBy, at: time(panel.addedAt) })}{' '}
        {sha256 !== null && (
          <a href={address(data)} download>
            {t('panels.figures')}
          </a>
        )}
      </figcaption>
    </figure>
  )
}
