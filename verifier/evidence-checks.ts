import type { Bundle } from './bundle.ts'
import { hex } from './bytes.ts'
import type { Findings } from './report.ts'
import { sha256 } from './sha256.ts'

/** (10) What the hub froze at detection is what the facts name by its hash. Gives how many pieces there are. */
export function checkEvidence({ tables, evidence }: Bundle, found: Findings): number {
  const named = new Map<string, unknown>()
  for (const { id, kind, value } of tables.incident_facts) {
    if (kind !== 'evidence') continue
    const hash = hashOfValue(value)
    if (hash === undefined) found.fault(`incident_facts: fact ${String(id)} names no evidence`)
    else named.set(hash, id)
  }
  for (const [hash, fact] of named) {
    const bytes = evidence.get(hash)
    if (bytes === undefined)
      found.fault(`evidence: ${hash}, which fact ${String(fact)} names, is missing in the bundle`)
    else if (hex(sha256(bytes)) !== hash)
      found.fault(`evidence: what fact ${String(fact)} names is not what ${hash} was made of`)
  }
  for (const hash of evidence.keys())
    if (!named.has(hash)) found.fault(`evidence: ${hash} is named by no fact`)
  return named.size
}

function hashOfValue(value: unknown): string | undefined {
  try {
    const { hash } = JSON.parse(String(value)) as { hash?: unknown }
    return typeof hash === 'string' ? hash : undefined
  } catch {
    return undefined
  }
}
