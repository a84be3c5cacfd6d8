/** What is known of the parts that must live for people to be told. */
export interface Vitals {
  /** How far the rule group furthest behind is behind its rhythm. */
  readonly rulesBehindSeconds: number
  /** Share of the rules whose newest evaluation failed, 0 to 1. */
  readonly rulesFailingRatio: number
  /** How long ago the worker of obligations last looked at its table. */
  readonly workerSilentSeconds: number
  /** Age of the oldest obligation that is due. */
  readonly overdueSeconds: number
  /** Age of the oldest ledger entry without a place. */
  readonly ledgerWaitingSeconds: number
  /** Why the store refuses samples; undefined: it takes them. */
  readonly storeRefusal: string | undefined
  /** How long the records have refused a trial write. */
  readonly recordsRefusingSeconds: number
}

/** One part that is not well. */
export interface VitalFault {
  readonly part: 'rules' | 'worker' | 'obligations' | 'ledger' | 'disk' | 'records'
  /** A sentence for people. */
  readonly because: string
}

/** From when on a part counts as stalled, in seconds; the rules of the same meaning have the same numbers. */
export const stalledAfterSeconds = {
  rules: 60,
  worker: 60,
  obligations: 300,
  ledger: 120,
  records: 30,
} as const

/** Parts that are not well; the hub says outside that it lives only while there is none. */
export function vitalFaults(vitals: Vitals): VitalFault[] {
  const seconds: readonly [Exclude<VitalFault['part'], 'disk'>, number, string][] = [
    ['rules', vitals.rulesBehindSeconds, 'a rule group was not evaluated'],
    ['worker', vitals.workerSilentSeconds, 'the worker of obligations has not looked'],
    ['obligations', vitals.overdueSeconds, 'an obligation is overdue'],
    ['ledger', vitals.ledgerWaitingSeconds, 'a ledger entry has no place'],
    ['records', vitals.recordsRefusingSeconds, 'the records refuse writes'],
  ]
  const stalled: VitalFault[] = seconds
    // A figure that cannot be told is no good news.
    .filter(([part, value]) => !(value <= stalledAfterSeconds[part]))
    .map(([part, value, what]) => ({ part, because: `${what} for ${Math.round(value)} s` }))
  if (vitals.rulesFailingRatio >= 1)
    stalled.push({ part: 'rules', because: 'every rule fails: no alert can fire' })
  if (vitals.storeRefusal === undefined) return stalled
  return [
    ...stalled,
    { part: 'disk', because: `the store refuses samples: ${vitals.storeRefusal}` },
  ]
}
