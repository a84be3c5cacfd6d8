import { type NodeParents, noTopology, type Topology, topologyFaults } from './dependency.ts'
import { type DocumentFault, DocumentReader, type Path } from './document.ts'
import { type Matcher, MatcherFault, parseMatchers } from './matchers.ts'

/** The key of a routing file that says what stands behind what. */
export const topologyKey = 'callward_dependencies'

const nodesMax = 10_000
const example = '{down: [\'alertname="HostSilent"\'], nodes: [{node: pbx-1, parents: [switch-1]}]}'

/**
 * Reads `{down: [MATCHERS, …], nodes: [{node, parents, need: any|all}]}` that was already parsed from YAML. An alert
 * that matches a line of `down` says that its node is down; a node is `instance` or `instance/service`.
 */
export function readTopology(document: unknown): {
  readonly topology: Topology
  readonly faults: readonly DocumentFault[]
} {
  const reader = new DocumentReader()
  const given =
    document === undefined || document === null
      ? undefined
      : reader.mapping(document, [topologyKey], ['down', 'nodes'], example)
  if (given === undefined) return { topology: noTopology, faults: reader.faults }
  const down = reader
    .texts(given['down'], [topologyKey, 'down'], 100, 'down: [\'alertname="HostSilent"\']')
    .flatMap((text, i) => readMatchers(reader, text, [topologyKey, 'down', i]))
  const nodes = new Map<string, NodeParents>()
  const list = reader.list(given['nodes'], [topologyKey, 'nodes'], nodesMax, example)
  for (const [i, item] of list.entries()) readNode(reader, item, [topologyKey, 'nodes', i], nodes)
  const topology = { nodes, down }
  if (reader.faults.length === 0)
    for (const fault of topologyFaults(topology)) reader.fault([topologyKey, 'nodes'], fault)
  return { topology, faults: reader.faults }
}

function readMatchers(
  reader: DocumentReader,
  text: string,
  path: Path,
): readonly (readonly Matcher[])[] {
  try {
    return [parseMatchers(text)]
  } catch (error) {
    if (!(error instanceof MatcherFault)) throw error
    reader.fault(path, error.message)
    return []
  }
}

function readNode(
  reader: DocumentReader,
  item: unknown,
  path: Path,
  nodes: Map<string, NodeParents>,
): void {
  const one = reader.mapping(
    item,
    path,
    ['node', 'parents', 'need'],
    '{node: pbx-1, parents: [switch-1]}',
  )
  if (one === undefined) return
  const node = reader.text(one['node'] ?? '', [...path, 'node'], 'node: pbx-1')
  const parents = reader.texts(one['parents'], [...path, 'parents'], 100, 'parents: [switch-1]')
  const need = one['need'] ?? 'any'
  if (need !== 'any' && need !== 'all')
    reader.fault([...path, 'need'], 'must be any (one parent down is enough) or all')
  else if (node !== undefined && nodes.has(node)) reader.fault(path, `"${node}" is there twice`)
  else if (node !== undefined) nodes.set(node, { parents, need })
}
