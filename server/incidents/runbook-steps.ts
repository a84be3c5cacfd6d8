import { parse } from 'yaml'

export interface RunbookStep {
  readonly id: string
  readonly text: string
}

/** More steps than a person goes through. */
const mostSteps = 100

/** The checklist in a runbook's front matter, in order; empty when it has none or the block cannot be read. */
export function runbookSteps(body: string): RunbookStep[] {
  const block = /^---\n([\s\S]*?)\n---\n/.exec(body)?.[1]
  if (block === undefined) return []
  const { steps } = (read(block) ?? {}) as { steps?: unknown }
  if (!Array.isArray(steps)) return []
  return steps.slice(0, mostSteps).flatMap((step: unknown, index) => {
    if (typeof step === 'string') return [{ id: `step-${index + 1}`, text: step }]
    const { id, text } = (step ?? {}) as { id?: unknown; text?: unknown }
    return typeof text === 'string' ? [{ id: String(id ?? `step-${index + 1}`), text }] : []
  })
}

function read(block: string): unknown {
  try {
    return parse(block)
  } catch {
    return undefined // the text is shown as it is, only without a checklist
  }
}
