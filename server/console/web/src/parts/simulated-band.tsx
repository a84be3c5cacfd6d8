import { t } from '../i18n/language.ts'
import { simulated } from '../state.ts'

/** Nobody may take demonstration figures for real ones. */
export function SimulatedBand() {
  if (!simulated.value) return null
  return (
    <aside class="simulated-band" aria-label={t('simulated.band')}>
      <strong>{t('simulated.band')}</strong> <span>{t('simulated.bandText')}</span>
    </aside>
  )
}
