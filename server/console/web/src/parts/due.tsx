import { duration, fullTime } from '../i18n/format.ts'
import { language, t } from '../i18n/language.ts'
import { now } from '../state.ts'
import { FullTime } from './times.tsx'

/** When something is due, in the reader's zone and in the one it is counted in, where they differ. */
export function DueTime({ at, zone }: { at: string; zone?: string }) {
  const own = fullTime(language.value, at)
  const there = zone === undefined ? own : fullTime(language.value, at, zone)
  return (
    <>
      <FullTime at={at} />
      {there !== own && (
        <span class="muted">
          {' '}
          ({there}, {zone})
        </span>
      )}
    </>
  )
}

/** "12m left", or how long it is over; moving. */
export function Remaining({ at }: { at: string }) {
  const seconds = (Date.parse(at) - now.value) / 1000
  const time = duration(language.value, Math.abs(seconds))
  return seconds >= 0 ? (
    <span class="remaining">{t('due.left', { time })}</span>
  ) : (
    <span class="remaining over">{t('due.over', { time })}</span>
  )
}
