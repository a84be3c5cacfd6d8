import { classifyDora, type DoraImpact } from '../../clocks/dora-classification.ts'
import type { Millis } from '../../incidents/facts.ts'
import { current, type Picture, said } from '../../incidents/picture.ts'
import { figuresOf } from '../../incidents/replay.ts'

/** A figure of the impact that facts give. */
export interface KnownFigure {
  readonly name: keyof DoraImpact
  readonly value: number | boolean
  readonly facts: readonly string[]
}

const hourMillis = 3_600_000
/** Longer than this a duration meets its threshold, however much longer it gets: 2024/1772 Art. 9(3)(a). */
const durationThresholdHours = 24

/** Figures of the impact that the facts hold; suggestions are none. */
export function knownFigures(picture: Picture, now: Millis): KnownFigure[] {
  const known: KnownFigure[] = []
  const impact = said(picture, 'impact').at(-1)
  const clients = impact?.value.customersAffected
  if (impact !== undefined && clients !== undefined)
    known.push({ name: 'clientsAffected', value: clients, facts: [impact.id] })
  const start = current(picture, 'occurred') ?? current(picture, 'detected')
  const { durationMillis } = figuresOf(picture)
  if (start !== undefined) {
    const lasted = (now - start.occurredAt) / hourMillis
    const hours = durationMillis === undefined ? undefined : durationMillis / hourMillis
    // While it lasts the figure only grows, so that it can say yes and never no.
    const value = hours ?? (lasted > durationThresholdHours ? lasted : undefined)
    if (value !== undefined) known.push({ name: 'durationHours', value, facts: [start.id] })
  }
  const costs = said(picture, 'cost')
  if (costs.length > 0 && costs.every(({ value }) => value.currency === 'EUR'))
    known.push({
      name: 'costsEuro',
      value: costs.reduce((sum, { value }) => sum + value.amount, 0),
      facts: costs.map(({ id }) => id),
    })
  return known
}

/** Whether it looks major, from what the facts hold and what else is given; what is given goes before. */
export function previewDora(picture: Picture, more: DoraImpact, now: Millis) {
  const known = knownFigures(picture, now).filter(({ name }) => more[name] === undefined)
  const figures = [
    ...known.map((figure) => ({ ...figure, facts: [...figure.facts], from: 'facts' as const })),
    ...Object.entries(more).map(([name, value]) => ({
      ...{ name, value: value as number | boolean, facts: [] as string[] },
      from: 'request' as const,
    })),
  ]
  const impact = Object.fromEntries(figures.map(({ name, value }) => [name, value])) as DoraImpact
  return { ...classifyDora(impact), figures }
}
