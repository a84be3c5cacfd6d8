import { t } from '../i18n/language.ts'
import { shownAsReadAt } from '../kept.ts'
import { FullTime } from './times.tsx'

/** Nobody may take what was read earlier for how it stands now. */
export function KeptBand() {
  const at = shownAsReadAt.value
  if (at === null) return null
  return (
    <aside class="kept-band" role="status">
      <strong>{t('kept.band')}</strong>{' '}
      <span>
        {t('kept.readAt')} <FullTime at={at} />. {t('kept.write')}
      </span>
    </aside>
  )
}
