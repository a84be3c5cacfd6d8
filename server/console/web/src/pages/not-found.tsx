import { t } from '../i18n/language.ts'
import { PageTitle } from '../parts/page-title.tsx'

export function NotFound() {
  return (
    <div class="page-head">
      <PageTitle>{t('notFound.title')}</PageTitle>
      <p>{t('error.notFound')}</p>
      <a class="button" href="/">
        {t('notFound.back')}
      </a>
    </div>
  )
}
