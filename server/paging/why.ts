import type { Static } from 'typebox'
import type { AlertRow } from '../records/schema.ts'
import { whyNotPaged } from './page.ts'
import type { PageDetail } from './schema.ts'

/** Why people were or were not told of an alert, in one sentence. */
export function whyOf(
  alert: Pick<AlertRow, 'state' | 'severity' | 'fired_at'>,
  pages: readonly Static<typeof PageDetail>['page'][],
): string {
  if (alert.fired_at === null)
    return 'Nobody: its condition has not held for as long as the rule asks; it never fired.'
  if (pages.length === 0) {
    const reason = whyNotPaged(alert.severity)
    return reason === undefined
      ? 'Nobody, though it should have paged: the watchdog looks for such alerts every ten seconds.'
      : `Nobody was paged: ${reason}.`
  }
  const tellings = pages.flatMap((page) => page.tellings).filter(({ kind }) => kind === 'page')
  const told = new Set(
    tellings
      .filter(({ attempts }) =>
        attempts.some(
          ({ outcome, displayedAt }) =>
            outcome === 'accepted' || outcome === 'delivered' || displayedAt !== null,
        ),
      )
      .map(({ recipient }) => recipient.name),
  )
  const names = [...new Set(tellings.map(({ recipient }) => recipient.name))]
  const others = names.filter((name) => !told.has(name))
  const parts = [
    told.size === 0 ? 'No receipt from anybody yet' : `Told: ${[...told].join(', ')}`,
    ...(others.length === 0 ? [] : [`named, without a receipt: ${others.join(', ')}`]),
  ]
  return `${parts.join('; ')}.`
}
