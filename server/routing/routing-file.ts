import { readFileSync } from 'node:fs'
import { type Document, isNode, LineCounter, parseDocument } from 'yaml'
import { noTopology, type Topology } from '../../alerts/dependency.ts'
import type { Path } from '../../alerts/document.ts'
import { parseRouting, type RoutingConfig } from '../../alerts/routing-config.ts'
import { readTopology, topologyKey } from '../../alerts/topology-reader.ts'
import { readTargets, type Targets } from './receivers.ts'

export type { ReceiverTarget } from './receivers.ts'

/** Everything a routing file says. */
export interface RoutingPlan {
  readonly config: RoutingConfig
  readonly targets: Targets
  readonly topology: Topology
  /** True without a routing file: pages belong to incidents, as `incidents/` groups alerts. */
  readonly builtIn: boolean
}

export interface RoutingFault {
  /** From 1. */
  readonly line: number
  /** Says what to write instead. */
  readonly message: string
}

export interface RoutingRead {
  /** Absent with any fault: half a routing tree is not run. */
  readonly plan?: RoutingPlan
  readonly faults: readonly RoutingFault[]
}

const maxFileBytes = 1024 * 1024
const aliasesMax = 100

/** What a hub without a routing file does; see docs/routing.md. */
const builtInDocument = {
  route: {
    receiver: 'screens',
    group_by: ['...'],
    group_wait: '0s',
    group_interval: '1ms',
    // A page reminds by its policy.
    repeat_interval: '10y',
    routes: [
      { receiver: 'on-call', matchers: ['severity=~"(?i:critical|page|error|disaster|high)"'] },
    ],
  },
  receivers: [{ name: 'on-call', callward_configs: [{ policy: 'default' }] }, { name: 'screens' }],
}

/** Routing without a file: critical alerts page at once, by incident; all others tell nobody. */
export function builtInRouting(): RoutingPlan {
  const { config, faults } = parseRouting(builtInDocument)
  if (config === undefined) throw new Error(`BUG: built-in routing: ${JSON.stringify(faults)}`)
  const { targets } = readTargets(config, builtInDocument)
  return { config, targets, topology: noTopology, builtIn: true }
}

/** Reads a routing file's text: Alertmanager's format with `callward_configs` in receivers. Never throws. */
export function readRouting(text: string): RoutingRead {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  if (document.errors.length > 0)
    return {
      faults: document.errors.map((error) => ({
        line: lines.linePos(error.pos[0]).line,
        message: `not readable as YAML: ${error.message}`,
      })),
    }
  let content: unknown
  try {
    content = document.toJS({ maxAliasCount: aliasesMax })
  } catch (error) {
    return { faults: [{ line: 1, message: `not readable as YAML: ${(error as Error).message}` }] }
  }
  const read = readDocument(content)
  const faults = read.faults.map(({ path, message }) => ({
    line: lineOf(document, lines, path),
    message,
  }))
  return read.plan === undefined ? { faults } : { plan: read.plan, faults }
}

/** Reads a routing file; one that cannot be read has one fault that says so. */
export function readRoutingFile(path: string): RoutingRead & { readonly text?: string } {
  const fault = (message: string) => ({ faults: [{ line: 1, message }] })
  let bytes: Buffer
  try {
    bytes = readFileSync(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return fault(
      `the file cannot be read (${code}); make it readable for the hub, or change hub.routing`,
    )
  }
  if (bytes.length > maxFileBytes)
    return fault(`the file is over ${maxFileBytes} bytes; shorten it`)
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return { text, ...readRouting(text) }
  } catch {
    return fault('the file is not UTF-8; save it as UTF-8')
  }
}

function readDocument(content: unknown): {
  readonly plan?: RoutingPlan
  readonly faults: readonly { readonly path: Path; readonly message: string }[]
} {
  const isMapping = typeof content === 'object' && content !== null && !Array.isArray(content)
  const { [topologyKey]: dependencies, ...alertmanager } = isMapping
    ? (content as Record<string, unknown>)
    : {}
  const parsed = parseRouting(isMapping ? alertmanager : content)
  const { topology, faults } = readTopology(dependencies)
  if (parsed.config === undefined) return { faults: [...parsed.faults, ...faults] }
  const receivers = readTargets(parsed.config, content)
  const all = [...faults, ...receivers.faults]
  if (all.length > 0) return { faults: all }
  const { config } = parsed
  return { plan: { config, targets: receivers.targets, topology, builtIn: false }, faults: [] }
}

/** Line of the deepest part of `path` the document holds. */
function lineOf(document: Document, lines: LineCounter, path: Path): number {
  for (let depth = path.length; depth > 0; depth--) {
    const node = document.getIn(path.slice(0, depth), true)
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line
  }
  return 1
}
