import { ago, clockTime, duration, fullTime } from '../i18n/format.ts'
import { language } from '../i18n/language.ts'
import { now } from '../state.ts'

/** "3 min ago", moving; the exact time is its title. */
export function Age({ at }: { at: string }) {
  return (
    <time dateTime={at} title={fullTime(language.value, at)}>
      {ago(language.value, (now.value - Date.parse(at)) / 1000)}
    </time>
  )
}

/** Date, time and zone. */
export function FullTime({ at }: { at: string }) {
  return <time dateTime={at}>{fullTime(language.value, at)}</time>
}

/** Length from one moment to another, or to now. */
export function Lasting({ from, to }: { from: string; to?: string | null | undefined }) {
  const end = to ? Date.parse(to) : now.value
  return <span>{duration(language.value, (end - Date.parse(from)) / 1000)}</span>
}

/** The header's clock, with its zone. */
export function Clock() {
  return (
    <time class="clock" dateTime={new Date(now.value).toISOString()}>
      {clockTime(language.value, now.value)}
    </time>
  )
}
