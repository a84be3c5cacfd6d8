import type { Labels } from './alert.ts'
import {
  hostOf,
  hostsBehind,
  meansDown,
  type NodeName,
  nodeOf,
  type Topology,
} from './dependency.ts'
import { DueQueue } from './due.ts'
import { InhibitIndex } from './inhibit.ts'
import {
  type AlertRow,
  effectiveLabels,
  type GroupRow,
  type PipelineContext,
  type PipelineState,
  type SilenceRow,
} from './pipeline-state.ts'
import type { Route } from './routing-config.ts'
import type { Silence } from './silence.ts'
import { rowsOf } from './table.ts'

/**
 * What follows from the rows and would be slow to look for: made from a state in one pass, then kept in step with
 * it. Never stored.
 */
export class PipelineIndex {
  readonly context: PipelineContext
  readonly due = new DueQueue()
  readonly inhibit: InhibitIndex
  readonly activeSilences = new Map<string, Silence>()
  readonly routes = new Map<string, Route>()
  readonly #members = new Map<string, Set<string>>()
  readonly #hiddenBy = new Map<string, Set<string>>()
  readonly #byHost = new Map<string, Set<string>>()
  readonly #downs = new Map<NodeName, Set<string>>()

  constructor(context: PipelineContext, state: PipelineState) {
    this.context = context
    this.inhibit = new InhibitIndex(context.routing.inhibitRules)
    this.#enterRoutes(context.routing.root)
    for (const row of rowsOf(state.silences)) this.silence(row)
    for (const row of rowsOf(state.alerts)) {
      if (row.shown === 'firing') this.fires(row.fingerprint, effectiveLabels(row))
      for (const key of Object.keys(row.memberships)) this.join(key, row.fingerprint)
      for (const id of silencesOf(row)) this.hides(id, row.fingerprint)
      this.alert(row)
    }
    for (const row of rowsOf(state.groups)) this.group(row)
  }

  #enterRoutes(route: Route): void {
    this.routes.set(route.key, route)
    for (const child of route.routes) this.#enterRoutes(child)
  }

  silence(row: SilenceRow): void {
    if (row.phase === 'active') this.activeSilences.set(row.silence.id, row.silence)
    else this.activeSilences.delete(row.silence.id)
    if (row.wakeAt !== undefined)
      this.due.push({ at: row.wakeAt, kind: 'silence', key: row.silence.id })
  }

  alert(row: AlertRow): void {
    if (row.wakeAt !== undefined)
      this.due.push({ at: row.wakeAt, kind: 'alert', key: row.fingerprint })
  }

  group(row: GroupRow): void {
    if (row.dueAt !== undefined) this.due.push({ at: row.dueAt, kind: 'group', key: row.key })
  }

  /** Enters a firing alert; returns whose hold may have changed. */
  fires(fingerprint: string, labels: Labels): ReadonlySet<string> {
    const touched = new Set(this.inhibit.add(fingerprint, labels))
    const node = nodeOf(labels)
    if (node === undefined) return touched
    enter(this.#byHost, hostOf(node), fingerprint)
    if (meansDown(this.topology, labels) && enter(this.#downs, node, fingerprint) === 1)
      this.#behind(node, touched)
    return touched
  }

  /** Takes an alert out that no longer fires; returns whose hold may have changed. */
  ceases(fingerprint: string, labels: Labels): ReadonlySet<string> {
    const touched = new Set(this.inhibit.remove(fingerprint, labels))
    const node = nodeOf(labels)
    if (node === undefined) return touched
    leave(this.#byHost, hostOf(node), fingerprint)
    if (leave(this.#downs, node, fingerprint) === 0) this.#behind(node, touched)
    return touched
  }

  get topology(): Topology {
    return this.context.topology
  }

  #behind(node: NodeName, touched: Set<string>): void {
    for (const host of hostsBehind(this.topology, node))
      for (const fingerprint of this.#byHost.get(host) ?? []) touched.add(fingerprint)
  }

  isDown(node: NodeName): boolean {
    return this.#downs.has(node)
  }

  join(group: string, fingerprint: string): void {
    enter(this.#members, group, fingerprint)
  }

  leave(group: string, fingerprint: string): number {
    return leave(this.#members, group, fingerprint) ?? this.#members.get(group)?.size ?? 0
  }

  membersOf(group: string): readonly string[] {
    return [...(this.#members.get(group) ?? [])].sort()
  }

  memberCount(group: string): number {
    return this.#members.get(group)?.size ?? 0
  }

  hides(silence: string, fingerprint: string): void {
    enter(this.#hiddenBy, silence, fingerprint)
  }

  /** Takes an alert out of a silence's list; returns how many it still hides. */
  shows(silence: string, fingerprint: string): number {
    leave(this.#hiddenBy, silence, fingerprint)
    return this.#hiddenBy.get(silence)?.size ?? 0
  }

  hiddenBy(silence: string): readonly string[] {
    return [...(this.#hiddenBy.get(silence) ?? [])].sort()
  }
}

/** Ids of the silences that hide the alert. */
export function silencesOf(row: Pick<AlertRow, 'hold'>): readonly string[] {
  return row.hold?.stage === 'silence' ? row.hold.by : []
}

/** Returns the size of the set after entering. */
function enter(sets: Map<string, Set<string>>, key: string, value: string): number {
  const set = sets.get(key) ?? new Set<string>()
  sets.set(key, set)
  return set.add(value).size
}

/** Returns the size after leaving; undefined when the value was not there. */
function leave(sets: Map<string, Set<string>>, key: string, value: string): number | undefined {
  const set = sets.get(key)
  if (set === undefined || !set.delete(value)) return undefined
  if (set.size === 0) sets.delete(key)
  return set.size
}
