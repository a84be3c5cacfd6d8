/** When each topic was last hinted, and whether one more is waiting for its time. Times are monotonic milliseconds. */
export type HintTimes = ReadonlyMap<string, { readonly sentAt: number; readonly waiting: boolean }>

/** What to do with a hint: send it now, send it after a wait, or nothing because one is waiting already. */
export type HintDecision =
  | { readonly kind: 'now' }
  | { readonly kind: 'after'; readonly waitMs: number }
  | { readonly kind: 'nothing' }

/** At most one hint a topic and `everyMs`; the first goes at once, later ones join into one at the end of the time. */
export function hintOffered(
  times: HintTimes,
  topic: string,
  at: number,
  everyMs: number,
): readonly [HintTimes, HintDecision] {
  const last = times.get(topic)
  if (last?.waiting === true) return [times, { kind: 'nothing' }]
  const waitMs = last === undefined ? 0 : last.sentAt + everyMs - at
  if (waitMs <= 0) return [hintSent(times, topic, at), { kind: 'now' }]
  return [
    new Map(times).set(topic, { sentAt: last?.sentAt ?? at, waiting: true }),
    { kind: 'after', waitMs },
  ]
}

/** A hint went out. */
export function hintSent(times: HintTimes, topic: string, at: number): HintTimes {
  return new Map(times).set(topic, { sentAt: at, waiting: false })
}
