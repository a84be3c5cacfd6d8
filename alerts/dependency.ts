import type { Labels } from './alert.ts'
import { type Matcher, matchesAll } from './matchers.ts'

/** `host` or `host/service`, by the labels `instance` and `service`. */
export type NodeName = string

export interface NodeParents {
  readonly parents: readonly NodeName[]
  /** `any`: one parent down is enough; `all`: parents stand in for each other. */
  readonly need: 'any' | 'all'
}

/** What stands behind what. A service that is not declared stands behind its host. */
export interface Topology {
  readonly nodes: ReadonlyMap<NodeName, NodeParents>
  /** An alert that matches any of these says that its node is down. */
  readonly down: readonly (readonly Matcher[])[]
}

/** No dependencies beyond "a service needs its host"; nothing says down. */
export const noTopology: Topology = { nodes: new Map(), down: [] }

/** The node an alert is about; undefined when no label names a host. */
export function nodeOf(labels: Labels): NodeName | undefined {
  const host = labels['instance']
  if (host === undefined || host === '') return undefined
  const service = labels['service']
  return service === undefined || service === '' ? host : `${host}/${service}`
}

/** True when the alert says that its node is down. */
export function meansDown(topology: Topology, labels: Labels): boolean {
  return topology.down.some((matchers) => matchesAll(matchers, labels))
}

function parentsOf(topology: Topology, node: NodeName): NodeParents {
  const declared = topology.nodes.get(node)
  const slash = node.indexOf('/')
  if (slash < 0) return declared ?? { parents: [], need: 'any' }
  return declared ?? { parents: [node.slice(0, slash)], need: 'any' }
}

/** Circles in a topology: whoever is in one would be held because of itself. Each member is named. */
export function topologyFaults(topology: Topology): readonly string[] {
  return [...topology.nodes.keys()]
    .filter((node) => inCircle(topology, node))
    .map((node) => `${node} depends on itself; remove one of its parents or of theirs`)
}

function inCircle(topology: Topology, node: NodeName): boolean {
  return parentsOf(topology, node).parents.some((parent) => reaches(topology, parent, node))
}

/**
 * The node whose being down explains trouble at `node`: itself (unless the alert is what says so), a parent, or
 * whatever took the parent. Undefined when nothing does. A parent that stands behind the node explains nothing.
 */
export function causeOf(
  topology: Topology,
  node: NodeName,
  saysDown: boolean,
  isDown: (node: NodeName) => boolean,
): NodeName | undefined {
  if (!saysDown && isDown(node)) return node
  const asked = new Map<NodeName, NodeName | undefined>()
  const fallen = (child: NodeName): NodeName | undefined => {
    if (asked.has(child)) return asked.get(child)
    asked.set(child, undefined)
    const { parents, need } = parentsOf(topology, child)
    const causes = parents
      .filter((parent) => child !== node || !reaches(topology, parent, node))
      .map((parent) => (isDown(parent) ? parent : fallen(parent)))
    const known = causes.filter((cause) => cause !== undefined)
    const enough = need === 'any' ? known.length > 0 : known.length === parents.length
    const cause = enough ? known[0] : undefined
    asked.set(child, cause)
    return cause
  }
  return fallen(node)
}

function reaches(topology: Topology, from: NodeName, goal: NodeName): boolean {
  const seen = new Set<NodeName>()
  const open = [from]
  while (open.length > 0) {
    const node = open.pop()!
    if (node === goal) return true
    if (seen.has(node)) continue
    seen.add(node)
    open.push(...parentsOf(topology, node).parents)
  }
  return false
}

const childrenOf = new WeakMap<Topology, ReadonlyMap<NodeName, readonly NodeName[]>>()

/** The hosts whose alerts a change at this node may explain: its own, and all that stand behind it. */
export function hostsBehind(topology: Topology, node: NodeName): ReadonlySet<string> {
  const children = childrenOf.get(topology) ?? childrenByParent(topology)
  childrenOf.set(topology, children)
  const seen = new Set<NodeName>()
  const open = [node]
  while (open.length > 0) {
    const next = open.pop()!
    if (seen.has(next)) continue
    seen.add(next)
    open.push(...(children.get(next) ?? []))
  }
  return new Set([...seen].map(hostOf))
}

/** The host of a node. */
export function hostOf(node: NodeName): string {
  return node.split('/', 1)[0]!
}

function childrenByParent(topology: Topology): ReadonlyMap<NodeName, readonly NodeName[]> {
  const children = new Map<NodeName, NodeName[]>()
  const enter = (parent: NodeName, child: NodeName) => {
    const list = children.get(parent)
    if (list === undefined) children.set(parent, [child])
    else list.push(child)
  }
  for (const [node, { parents }] of topology.nodes) {
    for (const parent of parents) enter(parent, node)
    for (const one of [node, ...parents]) if (one.includes('/')) enter(hostOf(one), one)
  }
  return children
}
