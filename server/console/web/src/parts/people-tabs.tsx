import { t } from '../i18n/language.ts'
import { me } from '../state.ts'
import { Tabs } from './tabs.tsx'

/** People and teams are two sides of one page; operators see the teams only. */
export function PeopleTabs({ chosen }: { chosen: 'people' | 'teams' }) {
  if (me.value?.role === 'operator') return null
  return (
    <Tabs
      label={t('people.title')}
      choices={[
        { href: '/people', label: t('people.title'), chosen: chosen === 'people' },
        { href: '/teams', label: t('teams.title'), chosen: chosen === 'teams' },
      ]}
    />
  )
}
