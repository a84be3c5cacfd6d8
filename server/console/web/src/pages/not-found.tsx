import { t } from '../i18n/language.ts'

export function NotFound() {
  return (
    <div class="page-head">
      <h1 tabIndex={-1}>{t('notFound.title')}</h1>
      <p>{t('error.notFound')}</p>
      <a class="button" href="/">
        {t('notFound.back')}
      </a>
    </div>
  )
}
