import { type AlertChange, type Millis, severityOf } from './alert.ts'
import { causeOf, meansDown, nodeOf } from './dependency.ts'
import { calmAt, flapValue, forgottenAt, newFlapWindow, observe } from './flap.ts'
import type { PipelineInput } from './pipeline.ts'
import type { PipelineDraft } from './pipeline-draft.ts'
import { flushGroup } from './pipeline-flush.ts'
import { silencesOf } from './pipeline-index.ts'
import {
  type AlertRow,
  type Explanation,
  effectiveLabels,
  type GroupRow,
  type Hold,
  type SilenceRow,
} from './pipeline-state.ts'
import { groupKey, groupLabels, routesFor } from './route.ts'
import type { Route } from './routing-config.ts'
import type { RuleExtras } from './rule-extras.ts'
import {
  nudgeAt,
  phaseAt,
  type Silence,
  silenceFaults,
  silenceReason,
  silencing,
} from './silence.ts'
import { rowsOf } from './table.ts'
import { earliest, noTier, settleTiers, standingOf, stepTiers } from './tiers.ts'

/** One call of the pipeline: collects changes of rows and decisions, in the order in which they fall due. */
export class PipelineRun {
  readonly #draft: PipelineDraft

  constructor(draft: PipelineDraft) {
    this.#draft = draft
  }

  /** Looks at everything anew, as when the configuration may have changed. */
  review(at: Millis): void {
    for (const row of [...rowsOf(this.#draft.silences.finish())]) this.#refreshSilence(row, at)
    for (const key of this.#draft.fingerprints()) {
      const row = this.#draft.alerts.get(key)!
      this.#refresh(row, row, at, true)
    }
  }

  /** Works out what fell due before an instant. */
  before(at: Millis): void {
    for (;;) {
      const first = this.#draft.index.due.first
      if (first === undefined || first.at >= at) return
      this.#oneInstant(first.at)
    }
  }

  /** Works out what fell due up to and including an instant. */
  upTo(at: Millis): void {
    for (;;) {
      const first = this.#draft.index.due.first
      if (first === undefined || first.at > at) return
      this.#oneInstant(first.at)
    }
  }

  #oneInstant(at: Millis): void {
    const groups = new Set<string>()
    while (this.#draft.index.due.first?.at === at) {
      const due = this.#draft.index.due.pop()!
      if (due.kind === 'group') {
        if (this.#draft.groups.get(due.key)?.dueAt === at) groups.add(due.key)
      } else if (due.kind === 'alert') {
        const row = this.#draft.alerts.get(due.key)
        if (row?.wakeAt === at) this.#refresh(row, row, at, false)
      } else {
        const row = this.#draft.silences.get(due.key)
        if (row?.wakeAt === at) this.#refreshSilence(row, at)
      }
    }
    for (const group of this.#inOrder(groups)) flushGroup(this.#draft, group.key, at)
  }

  /** Groups of one instant: those nobody has heard of first, then the small ones, so that a storm waits last. */
  #inOrder(keys: ReadonlySet<string>): readonly GroupRow[] {
    const size = (row: GroupRow) => this.#draft.index.memberCount(row.key)
    return [...keys]
      .map((key) => this.#draft.groups.get(key))
      .filter((row) => row !== undefined)
      .sort(
        (a, b) =>
          Math.sign(a.sequence) - Math.sign(b.sequence) ||
          size(a) - size(b) ||
          (a.key < b.key ? -1 : 1),
      )
  }

  take(input: PipelineInput, at: Millis): void {
    if (input.kind === 'alert') this.#alertChanged(input.change, at)
    else if (input.kind === 'silence') this.#setSilence(input.silence, at)
    else {
      const row = this.#draft.silences.get(input.id)
      if (row !== undefined) this.#endSilence(row.silence, `ended by ${input.by}`, at)
    }
  }

  #alertChanged(change: AlertChange, at: Millis): void {
    const view = change.alert
    const row = this.#draft.alerts.get(view.fingerprint)
    const sameLife = row?.alert.id === view.id
    if (change.kind === 'firing' && sameLife && row.firing) {
      const { acknowledgedAt, acknowledgedBy } = row.alert
      const alert =
        view.acknowledgedAt === undefined ? { ...view, acknowledgedAt, acknowledgedBy } : view
      this.#refresh(row, this.#valued({ ...row, alert }, at), at, false)
    } else if (change.kind === 'firing' && !sameLife) {
      const begun = this.#changed(
        row,
        { ...(row ?? newRow(change)), alert: view, firing: true },
        at,
      )
      this.#refresh(row, this.#valued({ ...begun, tier: noTier }, at), at, false)
    } else if (change.kind === 'resolved' && sameLife && row.firing) {
      const { acknowledgedAt, acknowledgedBy } = row.alert
      const alert = { ...view, acknowledgedAt, acknowledgedBy }
      this.#refresh(row, this.#changed(row, { ...row, alert, firing: false }, at), at, false)
    } else if (change.kind === 'acknowledged' && sameLife) {
      const { acknowledgedAt = change.at, acknowledgedBy = change.by } = view
      this.#draft.put({ ...row, alert: { ...row.alert, acknowledgedAt, acknowledgedBy } })
    }
  }

  /** Counts a change of state for flapping, and says so when it begins. */
  #changed(before: AlertRow | undefined, row: AlertRow, at: Millis): AlertRow {
    const band = this.#draft.context.extrasOf(row.alert).flap
    if (band === 'off') return { ...row, flap: undefined }
    const flap = observe(before?.flap ?? newFlapWindow(at), band, true, at)
    if (flap.flapping && before?.flap?.flapping !== true)
      this.#draft.hold(row, undefined, {
        stage: 'flap',
        because: `changes too often: ${flapValue(flap).toFixed(1)} % of the last 20 checks, above ${band.high} %; shown as firing until it is at ${band.low} %`,
        at,
        until: calmAt(flap, band),
      })
    return { ...row, flap }
  }

  #valued(row: AlertRow, at: Millis): AlertRow {
    const { tiers } = this.#draft.context.extrasOf(row.alert)
    const value = Number(row.alert.value.replace('Inf', 'Infinity'))
    return { ...row, tier: tiers.length === 0 ? noTier : stepTiers(tiers, row.tier, value, at) }
  }

  /** Works out how an alert is shown, whom it concerns and what holds it; `anew` also when it seems unchanged. */
  #refresh(before: AlertRow | undefined, given: AlertRow, at: Millis, anew: boolean): void {
    const after = this.#standing(given, before?.shown, at)
    const key = after.fingerprint
    const was = before?.shown === 'firing' ? before.severity : undefined
    const is = after.shown === 'firing' ? after.severity : undefined
    const touched = new Set<string>()
    if (was !== is && was !== undefined)
      for (const one of this.#draft.index.ceases(key, effectiveLabels(before!))) touched.add(one)
    if (was !== is && is !== undefined)
      for (const one of this.#draft.index.fires(key, effectiveLabels(after))) touched.add(one)
    this.#draft.put(after)
    const newLife = before?.alert.id !== after.alert.id
    const calmed = before?.flap?.flapping === true && after.flap?.flapping !== true
    const sameReceivers = before?.receivers.join() === after.receivers.join()
    if (is !== undefined && (anew || newLife || was !== is || !sameReceivers))
      this.#reroute(key, newLife, at)
    this.#judge(key, at)
    const held = this.#draft.alerts.get(key)?.hold
    // Held by what held its former life: this life needs the reason too.
    if (newLife && held !== undefined && held === before?.hold)
      this.#draft.hold(after, undefined, { ...held, at })
    if (calmed && is !== undefined) this.#wakeGroups(key, at)
    if (is === undefined) this.#draft.ending(key, was !== undefined, at)
    else if (newLife || was !== is || !sameReceivers) this.#explainWaiting(key, at)
    touched.delete(key)
    for (const other of [...touched].sort()) this.#judge(other, at)
  }

  #standing(row: AlertRow, shownBefore: AlertRow['shown'] | undefined, at: Millis): AlertRow {
    const extras = this.#draft.context.extrasOf(row.alert)
    const band = extras.flap
    const flap =
      band === 'off' || row.flap === undefined ? undefined : observe(row.flap, band, false, at)
    const kept = flap?.flapping === true && shownBefore === 'firing'
    const shown = row.firing || kept ? 'firing' : 'resolved'
    const tier = settleTiers(extras.tiers, row.tier, at)
    const calendars = this.#draft.context.routing.calendars
    const standing = standingOf(severityOf(row.alert.labels), extras, tier, calendars, at)
    return {
      ...row,
      flap,
      shown,
      tier,
      severity: standing.severity,
      severityBecause: standing.because,
      receivers: this.#knownReceivers(standing.receivers),
      wakeAt: wakeAt({ ...row, flap, shown }, extras, standing.until),
    }
  }

  #knownReceivers(names: readonly string[]): readonly string[] {
    return names.filter((name) => this.#draft.context.routing.receivers.has(name))
  }

  /** Puts an alert into the groups its routes ask for; where it was told before, its end will be told too. */
  #reroute(key: string, newLife: boolean, at: Millis): void {
    const row = this.#draft.alerts.get(key)!
    const memberships = new Map(Object.entries(row.memberships))
    const wanted = this.#targets(row)
    for (const [group, membership] of memberships) {
      if (wanted.has(group) || membership.moved) continue
      const heard = membership.told?.state === 'firing'
      const receiver = this.#draft.groups.get(group)?.receiver ?? ''
      if (heard && this.#draft.context.routing.receivers.has(receiver))
        memberships.set(group, { ...membership, moved: true, explanation: movedAway(row, at) })
      else {
        memberships.delete(group)
        this.#draft.left(group, key)
      }
    }
    for (const [group, { route, receiver }] of wanted) {
      this.#openGroup(group, route, receiver, row)
      this.#draft.index.join(group, key)
      const before = memberships.get(group)
      const { moved: _moved, ...known } = before ?? { explanation: waiting(at) }
      memberships.set(group, known)
      if (newLife || before === undefined || before.moved)
        this.#draft.schedule(group, row.alert.firedAt ?? at, at)
    }
    this.#draft.put({ ...row, memberships: Object.fromEntries(memberships) })
  }

  #targets(row: AlertRow): Map<string, { route: Route; receiver: string }> {
    const labels = effectiveLabels(row)
    const routes = routesFor(this.#draft.context.routing.root, labels)
    const pairs =
      row.receivers.length > 0
        ? row.receivers.map((receiver) => ({ route: routes[0]!, receiver }))
        : routes.map((route) => ({ route, receiver: route.receiver }))
    return new Map(
      pairs.map((pair) => [
        groupKey(pair.route, pair.receiver, groupLabels(pair.route, labels)),
        pair,
      ]),
    )
  }

  #openGroup(key: string, route: Route, receiver: string, row: AlertRow): void {
    if (this.#draft.groups.get(key) !== undefined) return
    const labels = groupLabels(route, effectiveLabels(row))
    this.#draft.groups.set(key, {
      key,
      routeKey: route.key,
      receiver,
      labels,
      life: row.alert.id,
      sequence: 0,
    })
  }

  /** What holds an alert from everybody now; tells it when that changed, and wakes its groups when nothing does. */
  #judge(key: string, at: Millis): void {
    const row = this.#draft.alerts.get(key)
    if (row === undefined) return
    const hold = row.shown === 'firing' ? this.#holdOf(row, at) : undefined
    if (sameHold(row.hold, hold)) return
    this.#draft.put({ ...row, hold })
    for (const id of silencesOf({ hold })) this.#draft.index.hides(id, key)
    const kept = new Set(silencesOf({ hold }))
    for (const id of silencesOf(row)) if (!kept.has(id)) this.#unhidden(id, key, row.shown, at)
    if (hold !== undefined) this.#draft.hold(row, undefined, hold)
    else if (row.shown === 'firing') {
      this.#wakeGroups(key, at)
      this.#explainWaiting(key, at)
    }
  }

  #wakeGroups(key: string, at: Millis): void {
    const row = this.#draft.alerts.get(key)!
    for (const [group, { moved }] of Object.entries(row.memberships))
      if (!moved) this.#draft.schedule(group, row.alert.firedAt ?? at, at)
  }

  #holdOf(row: AlertRow, at: Millis): Hold | undefined {
    const labels = effectiveLabels(row)
    const silences = silencing(this.#draft.index.activeSilences.values(), labels, at)
    if (silences.length > 0) {
      const sorted = silences.toSorted((a, b) => (a.id < b.id ? -1 : 1))
      const until = Math.max(...silences.map(({ endsAt }) => endsAt))
      const because = sorted.map(silenceReason).join('; ')
      return { stage: 'silence', because, by: sorted.map(({ id }) => id), at, until }
    }
    const inhibitor = this.#draft.index.inhibit.inhibitor(row.fingerprint, labels)
    if (inhibitor !== undefined)
      return { stage: 'inhibit', because: inhibitor.because, by: [String(inhibitor.rule)], at }
    const node = nodeOf(labels)
    if (node === undefined) return undefined
    const topology = this.#draft.context.topology
    const cause = causeOf(topology, node, meansDown(topology, labels), (one) =>
      this.#draft.index.isDown(one),
    )
    if (cause === undefined) return undefined
    return { stage: 'dependency', because: `a consequence: ${cause} is down`, by: [cause], at }
  }

  /** An alert is no longer hidden by a silence; one that waited for its recovery has done its work. */
  #unhidden(id: string, key: string, shown: AlertRow['shown'], at: Millis): void {
    const left = this.#draft.index.shows(id, key)
    const silence = this.#draft.silences.get(id)?.silence
    if (silence?.untilResolved === true && left === 0 && shown === 'resolved')
      this.#endSilence(silence, 'every alert it hid is over', at)
  }

  #explainWaiting(key: string, at: Millis): void {
    const row = this.#draft.alerts.get(key)!
    if (row.hold !== undefined) return
    for (const [group, membership] of Object.entries(row.memberships)) {
      const dueAt = this.#draft.groups.get(group)?.dueAt
      const known = membership.told?.life === row.alert.id || membership.moved
      if (known || dueAt === undefined || dueAt <= at) continue
      this.#draft.explain(key, group, { ...waiting(at), until: dueAt })
    }
  }

  #setSilence(silence: Silence, at: Millis): void {
    const faults = silenceFaults(silence, at)
    if (faults.length > 0) {
      const because = faults.join('; ')
      this.#draft.decisions.push({
        kind: 'silence-refused',
        key: `${silence.id}/${silence.createdAt}/refused`,
        at,
        silence,
        because,
      })
      return
    }
    const before = this.#draft.silences.get(silence.id)
    this.#draft.silences.set(silence.id, { silence, phase: 'pending', nudged: false })
    this.#draft.index.activeSilences.delete(silence.id)
    this.#refreshSilence(this.#draft.silences.get(silence.id)!, at)
    if (before !== undefined)
      for (const key of this.#draft.index.hiddenBy(silence.id)) this.#judge(key, at)
  }

  #refreshSilence(row: SilenceRow, at: Millis): void {
    const { silence } = row
    const { phase, until } = phaseAt(silence, at)
    if (phase === 'expired') {
      this.#endSilence(silence, 'its time is over', at)
      return
    }
    const nudge = nudgeAt(silence, this.#draft.context.nudgeBefore)
    const nudged = row.nudged || (nudge !== undefined && at >= nudge)
    if (nudged && !row.nudged) this.#nudge(silence, at)
    const next = { silence, phase, nudged, wakeAt: earliest(until, nudged ? undefined : nudge) }
    this.#draft.silences.set(silence.id, next)
    this.#draft.index.silence(next)
    if (phase === row.phase) return
    const keys =
      phase === 'active' ? this.#draft.fingerprints() : this.#draft.index.hiddenBy(silence.id)
    for (const key of keys) this.#judge(key, at)
  }

  #nudge(silence: Silence, at: Millis): void {
    const hidden = this.#draft.index
      .hiddenBy(silence.id)
      .flatMap((key) => this.#draft.alerts.get(key)?.alert ?? [])
    if (hidden.length === 0) return
    this.#draft.decisions.push({
      kind: 'silence-nudge',
      key: `${silence.id}/${silence.createdAt}/nudge`,
      at,
      silence,
      hidden,
    })
  }

  #endSilence(silence: Silence, because: string, at: Millis): void {
    this.#draft.silences.delete(silence.id)
    this.#draft.index.activeSilences.delete(silence.id)
    this.#draft.decisions.push({
      kind: 'silence-ended',
      key: `${silence.id}/${silence.createdAt}/ended`,
      at,
      silence,
      because,
    })
    for (const key of this.#draft.index.hiddenBy(silence.id)) this.#judge(key, at)
  }
}

function newRow(change: AlertChange): AlertRow {
  return {
    fingerprint: change.alert.fingerprint,
    alert: change.alert,
    firing: true,
    shown: 'firing',
    severity: change.alert.severity,
    receivers: [],
    tier: noTier,
    memberships: {},
  }
}

function wakeAt(
  row: Pick<AlertRow, 'flap' | 'shown'>,
  extras: RuleExtras,
  standingUntil: Millis | undefined,
): Millis | undefined {
  if (extras.flap === 'off' || row.flap === undefined)
    return row.shown === 'firing' ? standingUntil : undefined
  const calm = calmAt(row.flap, extras.flap)
  return row.shown === 'firing' ? earliest(calm, standingUntil) : forgottenAt(row.flap, extras.flap)
}

function waiting(at: Millis): Explanation {
  return { stage: 'group', because: 'waits for others of its group', at }
}

function movedAway(row: AlertRow, at: Millis): Explanation {
  const because = `now goes elsewhere as ${row.severity}; its end will be told here`
  return { stage: 'route', because, at }
}

function sameHold(a: Hold | undefined, b: Hold | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return a.stage === b.stage && a.because === b.because && a.by.join() === b.by.join()
}
