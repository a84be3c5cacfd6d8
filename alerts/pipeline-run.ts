import { type AlertChange, fingerprint, type Millis, severityOf } from './alert.ts'
import { firstInside } from './calendar.ts'
import { causeOf, meansDown, nodeOf } from './dependency.ts'
import { calmAt, flapValue, forgottenAt, newFlapWindow, observe } from './flap.ts'
import { dueForNews, notificationKey } from './group.ts'
import type { Decision, PipelineInput, PipelineResult, ToldAlert } from './pipeline.ts'
import { type PipelineIndex, silencesOf } from './pipeline-index.ts'
import {
  type AlertRow,
  type Explanation,
  effectiveLabels,
  type GroupRow,
  type Hold,
  type Membership,
  type PipelineContext,
  type PipelineState,
  type SilenceRow,
} from './pipeline-state.ts'
import {
  type GroupView,
  type Member,
  type NotifyReason,
  nextRepeatAt,
  reasonToNotify,
  viewGroup,
} from './repeat.ts'
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
import { rowsOf, TableDraft } from './table.ts'
import { earliest, noTier, settleTiers, standingOf, stepTiers } from './tiers.ts'

/** One call of the pipeline: collects changes of rows and decisions, in the order in which they fall due. */
export class PipelineRun {
  readonly #context: PipelineContext
  readonly #index: PipelineIndex
  readonly #alerts: TableDraft<AlertRow>
  readonly #groups: TableDraft<GroupRow>
  readonly #silences: TableDraft<SilenceRow>
  readonly #decisions: Decision[] = []

  constructor(state: PipelineState, context: PipelineContext, index: PipelineIndex) {
    this.#context = context
    this.#index = index
    this.#alerts = new TableDraft(state.alerts)
    this.#groups = new TableDraft(state.groups)
    this.#silences = new TableDraft(state.silences)
  }

  finish(at: Millis): PipelineResult {
    return {
      state: {
        version: 1,
        at,
        alerts: this.#alerts.finish(),
        groups: this.#groups.finish(),
        silences: this.#silences.finish(),
      },
      decisions: this.#decisions,
      changes: {
        alerts: this.#alerts.changed,
        groups: this.#groups.changed,
        silences: this.#silences.changed,
      },
      nextAt: this.#index.due.first?.at,
    }
  }

  /** Looks at everything anew, as when the configuration may have changed. */
  review(at: Millis): void {
    for (const row of [...rowsOf(this.#silences.finish())]) this.#refreshSilence(row, at)
    for (const key of this.#fingerprints()) {
      const row = this.#alerts.get(key)!
      this.#refresh(row, row, at, true)
    }
  }

  /** Works out what fell due before an instant. */
  before(at: Millis): void {
    for (;;) {
      const first = this.#index.due.first
      if (first === undefined || first.at >= at) return
      this.#oneInstant(first.at)
    }
  }

  /** Works out what fell due up to and including an instant. */
  upTo(at: Millis): void {
    for (;;) {
      const first = this.#index.due.first
      if (first === undefined || first.at > at) return
      this.#oneInstant(first.at)
    }
  }

  #oneInstant(at: Millis): void {
    const groups = new Set<string>()
    while (this.#index.due.first?.at === at) {
      const due = this.#index.due.pop()!
      if (due.kind === 'group') {
        if (this.#groups.get(due.key)?.dueAt === at) groups.add(due.key)
      } else if (due.kind === 'alert') {
        const row = this.#alerts.get(due.key)
        if (row?.wakeAt === at) this.#refresh(row, row, at, false)
      } else {
        const row = this.#silences.get(due.key)
        if (row?.wakeAt === at) this.#refreshSilence(row, at)
      }
    }
    for (const group of this.#inOrder(groups)) this.#flush(group.key, at)
  }

  /** Groups of one instant: those nobody has heard of first, then the small ones, so that a storm waits last. */
  #inOrder(keys: ReadonlySet<string>): readonly GroupRow[] {
    const size = (row: GroupRow) => this.#index.memberCount(row.key)
    return [...keys]
      .map((key) => this.#groups.get(key))
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
      const row = this.#silences.get(input.id)
      if (row !== undefined) this.#endSilence(row.silence, `ended by ${input.by}`, at)
    }
  }

  #alertChanged(change: AlertChange, at: Millis): void {
    const view = change.alert
    const row = this.#alerts.get(view.fingerprint)
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
      this.#put({ ...row, alert: { ...row.alert, acknowledgedAt, acknowledgedBy } })
    }
  }

  /** Counts a change of state for flapping, and says so when it begins. */
  #changed(before: AlertRow | undefined, row: AlertRow, at: Millis): AlertRow {
    const band = this.#context.extrasOf(row.alert).flap
    if (band === 'off') return { ...row, flap: undefined }
    const flap = observe(before?.flap ?? newFlapWindow(at), band, true, at)
    if (flap.flapping && before?.flap?.flapping !== true)
      this.#hold(row, undefined, {
        stage: 'flap',
        because: `changes too often: ${flapValue(flap).toFixed(1)} % of the last 20 checks, above ${band.high} %; shown as firing until it is at ${band.low} %`,
        at,
        until: calmAt(flap, band),
      })
    return { ...row, flap }
  }

  #valued(row: AlertRow, at: Millis): AlertRow {
    const { tiers } = this.#context.extrasOf(row.alert)
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
      for (const one of this.#index.ceases(key, effectiveLabels(before!))) touched.add(one)
    if (was !== is && is !== undefined)
      for (const one of this.#index.fires(key, effectiveLabels(after))) touched.add(one)
    this.#put(after)
    const newLife = before?.alert.id !== after.alert.id
    const calmed = before?.flap?.flapping === true && after.flap?.flapping !== true
    const sameReceivers = before?.receivers.join() === after.receivers.join()
    if (is !== undefined && (anew || newLife || was !== is || !sameReceivers))
      this.#reroute(key, newLife, at)
    this.#judge(key, at)
    if (calmed && is !== undefined) this.#wakeGroups(key, at)
    if (is === undefined) this.#ending(key, was !== undefined, at)
    else if (newLife || was !== is || !sameReceivers) this.#explainWaiting(key, at)
    touched.delete(key)
    for (const other of [...touched].sort()) this.#judge(other, at)
  }

  #standing(row: AlertRow, shownBefore: AlertRow['shown'] | undefined, at: Millis): AlertRow {
    const extras = this.#context.extrasOf(row.alert)
    const band = extras.flap
    const flap =
      band === 'off' || row.flap === undefined ? undefined : observe(row.flap, band, false, at)
    const kept = flap?.flapping === true && shownBefore === 'firing'
    const shown = row.firing || kept ? 'firing' : 'resolved'
    const tier = settleTiers(extras.tiers, row.tier, at)
    const calendars = this.#context.routing.calendars
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
    return names.filter((name) => this.#context.routing.receivers.has(name))
  }

  /** Puts an alert into the groups its routes ask for; where it was told before, its end will be told too. */
  #reroute(key: string, newLife: boolean, at: Millis): void {
    const row = this.#alerts.get(key)!
    const memberships = new Map(Object.entries(row.memberships))
    const wanted = this.#targets(row)
    for (const [group, membership] of memberships) {
      if (wanted.has(group) || membership.moved) continue
      const heard = membership.told?.state === 'firing'
      const receiver = this.#groups.get(group)?.receiver ?? ''
      if (heard && this.#context.routing.receivers.has(receiver))
        memberships.set(group, { ...membership, moved: true, explanation: movedAway(row, at) })
      else {
        memberships.delete(group)
        this.#left(group, key)
      }
    }
    for (const [group, { route, receiver }] of wanted) {
      this.#openGroup(group, route, receiver, row)
      this.#index.join(group, key)
      const before = memberships.get(group)
      const { moved: _moved, ...known } = before ?? { explanation: waiting(at) }
      memberships.set(group, known)
      if (newLife || before === undefined || before.moved)
        this.#schedule(group, row.alert.firedAt ?? at, at)
    }
    this.#put({ ...row, memberships: Object.fromEntries(memberships) })
  }

  #targets(row: AlertRow): Map<string, { route: Route; receiver: string }> {
    const labels = effectiveLabels(row)
    const routes = routesFor(this.#context.routing.root, labels)
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
    if (this.#groups.get(key) !== undefined) return
    const labels = groupLabels(route, effectiveLabels(row))
    this.#groups.set(key, {
      key,
      routeKey: route.key,
      receiver,
      labels,
      life: row.alert.id,
      sequence: 0,
    })
  }

  #routeOf(group: GroupRow): Route {
    return this.#index.routes.get(group.routeKey) ?? this.#context.routing.root
  }

  #schedule(key: string, firedAt: Millis, at: Millis): void {
    const group = this.#groups.get(key)
    if (group === undefined) return
    const due = dueForNews(group, this.#routeOf(group), firedAt, at)
    if (group.dueAt === undefined || due < group.dueAt) this.#putGroup({ ...group, dueAt: due })
  }

  /** What holds an alert from everybody now; tells it when that changed, and wakes its groups when nothing does. */
  #judge(key: string, at: Millis): void {
    const row = this.#alerts.get(key)
    if (row === undefined) return
    const hold = row.shown === 'firing' ? this.#holdOf(row, at) : undefined
    if (sameHold(row.hold, hold)) return
    this.#put({ ...row, hold })
    for (const id of silencesOf({ hold })) this.#index.hides(id, key)
    const kept = new Set(silencesOf({ hold }))
    for (const id of silencesOf(row)) if (!kept.has(id)) this.#unhidden(id, key, row.shown, at)
    if (hold !== undefined) this.#hold(row, undefined, hold)
    else if (row.shown === 'firing') {
      this.#wakeGroups(key, at)
      this.#explainWaiting(key, at)
    }
  }

  #wakeGroups(key: string, at: Millis): void {
    const row = this.#alerts.get(key)!
    for (const [group, { moved }] of Object.entries(row.memberships))
      if (!moved) this.#schedule(group, row.alert.firedAt ?? at, at)
  }

  #holdOf(row: AlertRow, at: Millis): Hold | undefined {
    const labels = effectiveLabels(row)
    const silences = silencing(this.#index.activeSilences.values(), labels, at)
    if (silences.length > 0) {
      const sorted = silences.toSorted((a, b) => (a.id < b.id ? -1 : 1))
      const until = Math.max(...silences.map(({ endsAt }) => endsAt))
      const because = sorted.map(silenceReason).join('; ')
      return { stage: 'silence', because, by: sorted.map(({ id }) => id), at, until }
    }
    const inhibitor = this.#index.inhibit.inhibitor(row.fingerprint, labels)
    if (inhibitor !== undefined)
      return { stage: 'inhibit', because: inhibitor.because, by: [String(inhibitor.rule)], at }
    const node = nodeOf(labels)
    if (node === undefined) return undefined
    const topology = this.#context.topology
    const cause = causeOf(topology, node, meansDown(topology, labels), (one) =>
      this.#index.isDown(one),
    )
    if (cause === undefined) return undefined
    return { stage: 'dependency', because: `a consequence: ${cause} is down`, by: [cause], at }
  }

  /** An alert is no longer hidden by a silence; one that waited for its recovery has done its work. */
  #unhidden(id: string, key: string, shown: AlertRow['shown'], at: Millis): void {
    const left = this.#index.shows(id, key)
    const silence = this.#silences.get(id)?.silence
    if (silence?.untilResolved === true && left === 0 && shown === 'resolved')
      this.#endSilence(silence, 'every alert it hid is over', at)
  }

  #explainWaiting(key: string, at: Millis): void {
    const row = this.#alerts.get(key)!
    if (row.hold !== undefined) return
    for (const [group, membership] of Object.entries(row.memberships)) {
      const dueAt = this.#groups.get(group)?.dueAt
      const known = membership.told?.life === row.alert.id || membership.moved
      if (known || dueAt === undefined || dueAt <= at) continue
      this.#explain(key, group, { ...waiting(at), until: dueAt })
    }
  }

  /** An alert that is over: its groups are told, and nothing is kept that nobody needs. */
  #ending(key: string, justNow: boolean, at: Millis): void {
    const row = this.#alerts.get(key)!
    const groups = Object.keys(row.memberships)
    if (justNow) for (const group of groups) this.#schedule(group, at, at)
    if (groups.length === 0 && row.wakeAt === undefined) this.#alerts.delete(key)
  }

  #flush(key: string, at: Millis): void {
    const group = this.#groups.get(key)
    if (group === undefined) return
    const members = this.#members(key)
    const view = viewGroup(members)
    const route = this.#routeOf(group)
    const muted = this.#mutedUntil(route, at)
    if (muted !== undefined) {
      for (const { row } of [...view.news, ...view.endings])
        this.#explain(row.fingerprint, key, {
          stage: 'calendar',
          because: muted.because,
          at,
          until: muted.until,
        })
      this.#putGroup({
        ...group,
        dueAt:
          view.news.length + view.endings.length + view.firing.length > 0 ? muted.until : undefined,
      })
      this.#settle(
        key,
        members.filter((member) => !view.endings.includes(member)),
        at,
      )
      return
    }
    const sendResolved = this.#context.routing.receivers.get(group.receiver)?.sendResolved ?? true
    const reason = reasonToNotify(group, view, sendResolved, route.repeatInterval, at)
    const told = reason === undefined ? group : this.#notify(group, view, reason, sendResolved, at)
    if (reason === undefined) this.#explainSilentRepeat(key, view, at)
    this.#settle(key, members, at)
    if (this.#index.memberCount(key) === 0) this.#groups.delete(key)
    else this.#putGroup({ ...told, dueAt: nextRepeatAt(told, view.firing, route.repeatInterval) })
  }

  #members(group: string): readonly Member[] {
    return this.#index.membersOf(group).flatMap((key) => {
      const row = this.#alerts.get(key)
      const membership = row?.memberships[group]
      return row === undefined || membership === undefined ? [] : [{ row, membership }]
    })
  }

  #mutedUntil(route: Route, at: Millis): { because: string; until: Millis } | undefined {
    const calendars = this.#context.routing.calendars
    const muting = firstInside(calendars, route.muteDuring, at)
    if (muting.name !== undefined)
      return { because: `its route is quiet during ${muting.name}`, until: muting.until }
    if (route.activeDuring.length === 0) return undefined
    const active = firstInside(calendars, route.activeDuring, at)
    if (active.name !== undefined) return undefined
    return {
      because: `its route is quiet outside ${route.activeDuring.join(', ')}`,
      until: active.until,
    }
  }

  #notify(
    group: GroupRow,
    view: GroupView,
    reason: NotifyReason,
    sendResolved: boolean,
    at: Millis,
  ): GroupRow {
    const resolved = sendResolved ? view.endings : []
    const lives = [
      ...view.firing.map(({ row }) => `${row.alert.id}+`),
      ...resolved.map(({ row }) => `${row.alert.id}-`),
    ]
    const key = notificationKey(group, reason, lives)
    this.#decisions.push({
      kind: 'notify',
      key,
      at,
      group: { key: group.key, labels: group.labels },
      receiver: group.receiver,
      reason,
      firing: view.firing.map(toldAlert),
      resolved: resolved.map(toldAlert),
    })
    const explanation: Explanation = {
      stage: 'told',
      because: `${group.receiver} was told (${reason})`,
      at,
    }
    for (const [members, state] of [
      [view.firing, 'firing'],
      [resolved, 'resolved'],
    ] as const)
      for (const { row } of members) {
        const current = this.#alerts.get(row.fingerprint)!
        const told = { life: row.alert.id, state, at, key }
        this.#putMembership(current, group.key, { told, explanation })
      }
    return { ...group, sequence: group.sequence + 1, notifiedAt: at }
  }

  #explainSilentRepeat(key: string, view: GroupView, at: Millis): void {
    for (const { row } of view.firing) {
      const { acknowledgedAt, acknowledgedBy } = row.alert
      if (acknowledgedAt === undefined) continue
      const because = `acknowledged by ${acknowledgedBy ?? 'somebody'}, so it is not repeated`
      this.#explain(row.fingerprint, key, { stage: 'repeat', because, at })
    }
  }

  /** Takes alerts that are over out of a group. */
  #settle(group: string, members: readonly Member[], at: Millis): void {
    for (const { row } of members) {
      if (row.shown !== 'resolved') continue
      const current = this.#alerts.get(row.fingerprint)!
      const { [group]: membership, ...memberships } = current.memberships
      if (membership?.told?.state !== 'resolved')
        this.#explainUntold(current, group, membership, at)
      this.#put({ ...current, memberships })
      this.#left(group, row.fingerprint)
      this.#ending(row.fingerprint, false, at)
    }
  }

  #explainUntold(
    row: AlertRow,
    group: string,
    membership: Membership | undefined,
    at: Millis,
  ): void {
    const receiver = this.#groups.get(group)?.receiver
    const because =
      membership?.told === undefined
        ? 'was over before it had to be told'
        : `is over; ${receiver ?? 'the receiver'} does not want to be told of ends`
    this.#hold(row, receiver, { stage: 'group', because, at })
  }

  #left(group: string, key: string): void {
    const left = this.#index.leave(group, key)
    if (left === 0) this.#groups.delete(group)
  }

  #setSilence(silence: Silence, at: Millis): void {
    const faults = silenceFaults(silence, at)
    if (faults.length > 0) {
      const because = faults.join('; ')
      this.#decisions.push({
        kind: 'silence-refused',
        key: `${silence.id}/refused`,
        at,
        silence,
        because,
      })
      return
    }
    const before = this.#silences.get(silence.id)
    this.#silences.set(silence.id, { silence, phase: 'pending', nudged: false })
    this.#index.activeSilences.delete(silence.id)
    this.#refreshSilence(this.#silences.get(silence.id)!, at)
    if (before !== undefined)
      for (const key of this.#index.hiddenBy(silence.id)) this.#judge(key, at)
  }

  #refreshSilence(row: SilenceRow, at: Millis): void {
    const { silence } = row
    const { phase, until } = phaseAt(silence, at)
    if (phase === 'expired') {
      this.#endSilence(silence, 'its time is over', at)
      return
    }
    const nudge = nudgeAt(silence, this.#context.nudgeBefore)
    const nudged = row.nudged || (nudge !== undefined && at >= nudge)
    if (nudged && !row.nudged) this.#nudge(silence, at)
    const next = { silence, phase, nudged, wakeAt: earliest(until, nudged ? undefined : nudge) }
    this.#silences.set(silence.id, next)
    this.#index.silence(next)
    if (phase === row.phase) return
    const keys = phase === 'active' ? this.#fingerprints() : this.#index.hiddenBy(silence.id)
    for (const key of keys) this.#judge(key, at)
  }

  #nudge(silence: Silence, at: Millis): void {
    const hidden = this.#index
      .hiddenBy(silence.id)
      .flatMap((key) => this.#alerts.get(key)?.alert ?? [])
    if (hidden.length === 0) return
    this.#decisions.push({ kind: 'silence-nudge', key: `${silence.id}/nudge`, at, silence, hidden })
  }

  #endSilence(silence: Silence, because: string, at: Millis): void {
    this.#silences.delete(silence.id)
    this.#index.activeSilences.delete(silence.id)
    this.#decisions.push({
      kind: 'silence-ended',
      key: `${silence.id}/ended`,
      at,
      silence,
      because,
    })
    for (const key of this.#index.hiddenBy(silence.id)) this.#judge(key, at)
  }

  #fingerprints(): readonly string[] {
    return [...rowsOf(this.#alerts.finish())].map((row) => row.fingerprint).sort()
  }

  /** Keeps an explanation, and tells it when it is another than before. */
  #explain(key: string, group: string, explanation: Explanation): void {
    const row = this.#alerts.get(key)!
    const membership = row.memberships[group]!
    const { stage, because, until } = membership.explanation
    const same = stage === explanation.stage && because === explanation.because
    if (same && until === explanation.until) return
    this.#putMembership(row, group, { ...membership, explanation })
    this.#hold(row, this.#groups.get(group)?.receiver, explanation)
  }

  #hold(row: AlertRow, receiver: string | undefined, explanation: Explanation): void {
    const { stage, because, at, until } = explanation
    const said = fingerprint({ receiver: receiver ?? '', because, until: String(until) })
    const key = `${row.alert.id}/${stage}/${said}`
    this.#decisions.push({
      kind: 'hold',
      key,
      at,
      alert: row.alert,
      receiver,
      stage,
      because,
      until,
    })
  }

  #putMembership(row: AlertRow, group: string, membership: Membership): void {
    this.#put({ ...row, memberships: { ...row.memberships, [group]: membership } })
  }

  #put(row: AlertRow): void {
    const before = this.#alerts.get(row.fingerprint)
    this.#alerts.set(row.fingerprint, row)
    if (before?.wakeAt !== row.wakeAt) this.#index.alert(row)
  }

  #putGroup(row: GroupRow): void {
    const before = this.#groups.get(row.key)
    this.#groups.set(row.key, row)
    if (before?.dueAt !== row.dueAt) this.#index.group(row)
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

function toldAlert({ row }: Member): ToldAlert {
  const { alert, severity, severityBecause } = row
  return { alert, severity, severityBecause }
}
