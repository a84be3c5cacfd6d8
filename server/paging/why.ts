import type { Static } from 'typebox'
import { rfc3339 } from '../clock.ts'
import type { AlertRow } from '../records/schema.ts'
import type { NotTold } from '../routing/plugin.ts'
import { whyNotPaged } from './page.ts'
import type { PageDetail } from './schema.ts'

/** What routing says of an alert, the newest last. */
export type RoutingReasons = readonly Pick<NotTold, 'stage' | 'because' | 'until'>[]

/** Why people were or were not told of an alert, in one sentence. `routing` is empty for one it let pass. */
export function whyOf(
  alert: Pick<AlertRow, 'state' | 'severity' | 'fired_at'>,
  pages: readonly Static<typeof PageDetail>['page'][],
  routing: RoutingReasons = [],
): string {
  if (alert.fired_at === null)
    return 'Nobody: its condition has not held for as long as the rule asks; it never fired.'
  if (pages.length === 0) {
    const held = routing.at(-1)
    if (held !== undefined) return `Nobody: ${heldText(held)}.`
    const reason = whyNotPaged(alert.severity)
    return reason === undefined
      ? 'Nobody, though it should have paged: the watchdog looks for such alerts every ten seconds.'
      : `Nobody was paged: ${reason}.`
  }
  const tellings = pages.flatMap((page) => page.tellings).filter(({ kind }) => kind !== 'resolved')
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
  const nobody = told.size === 0 ? whyNobody(pages) : undefined
  if (nobody !== undefined) return `Nobody: ${nobody}.`
  const others = names.filter((name) => !told.has(name))
  const parts = [
    told.size === 0 ? 'No receipt from anybody yet' : `Told: ${[...told].join(', ')}`,
    ...(others.length === 0 ? [] : [`named, without a receipt: ${others.join(', ')}`]),
  ]
  const held = alert.state === 'firing' ? routing.at(-1) : undefined
  if (held !== undefined && holding.has(held.stage)) parts.push(`held back now: ${heldText(held)}`)
  return `${parts.join('; ')}.`
}

/** Why notices that named nobody, or whom nothing can reach, told nobody; undefined: somebody was or will be asked. */
function whyNobody(pages: readonly Static<typeof PageDetail>['page'][]): string | undefined {
  const reasons: string[] = []
  for (const { state, steps, tellings } of pages) {
    if (state !== 'closed' || !steps.some(({ kind }) => kind === 'notice')) return undefined
    if (tellings.some((telling) => telling.state !== 'over' || telling.attempts.length > 0))
      return undefined
    for (const { kind, content } of steps)
      if (kind === 'skip' && typeof content['reason'] === 'string') reasons.push(content['reason'])
    reasons.push(...tellings.map(({ recipient, reason }) => `${recipient.name}: ${reason}`))
  }
  return reasons.length === 0 ? undefined : [...new Set(reasons)].join('; ')
}

/** What keeps an alert from everybody, also when they were told before. */
const holding: ReadonlySet<string> = new Set(['silence', 'inhibit', 'dependency'])

function heldText({ because, until }: RoutingReasons[number]): string {
  return until === null || because.includes('until')
    ? because
    : `${because}, until ${rfc3339(until)}`
}
