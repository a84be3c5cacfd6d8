import { type Document, isNode, LineCounter, parseDocument } from 'yaml'
import { type CorrelationRule, parseCorrelation } from '../../../alerts/correlation-config.ts'
import type { Path } from '../../../alerts/document.ts'

/** Longest document, in characters. */
export const documentCharactersMax = 200_000
const aliasesMax = 100

/** What a hub does without a document of its own; where people start from. */
export const builtInText = `# Which alerts open an incident, which join one, which do neither.
# The first rule that matches an alert decides. An alert that no rule matches opens and joins nothing.
rules:
  # Critical alerts of one host are one incident.
  - name: faults
    matchers: ['severity="critical"']
    action: open
    same: [instance]
    severity: sev2
  # All others stand beside an open incident of their host; it recovers without them.
  - name: beside a fault
    action: join
    same: [instance]
`

export interface DocumentLineFault {
  /** From 1. */
  readonly line: number
  /** Says what to write instead. */
  readonly message: string
}

export interface DocumentRead {
  /** Absent with any fault. */
  readonly rules?: readonly CorrelationRule[]
  readonly faults: readonly DocumentLineFault[]
}

/** Reads a document's text; each fault with its line. Never throws. */
export function readDocument(text: string): DocumentRead {
  if (text.length > documentCharactersMax)
    return {
      faults: [{ line: 1, message: `over ${documentCharactersMax} characters; shorten it` }],
    }
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const unreadable = (line: number, message: string) => ({
    line,
    message: `not readable as YAML: ${message}`,
  })
  if (document.errors.length > 0)
    return {
      faults: document.errors.map(({ pos, message }) =>
        unreadable(lines.linePos(pos[0]).line, message),
      ),
    }
  let content: unknown
  try {
    content = document.toJS({ maxAliasCount: aliasesMax })
  } catch (error) {
    return { faults: [unreadable(1, (error as Error).message)] }
  }
  const { rules, faults } = parseCorrelation(content)
  if (rules !== undefined) return { rules, faults: [] }
  return {
    faults: faults.map(({ path, message }) => ({ line: lineOf(document, lines, path), message })),
  }
}

/** Line of the deepest part of `path` the document holds. */
function lineOf(document: Document, lines: LineCounter, path: Path): number {
  for (let depth = path.length; depth > 0; depth--) {
    const node = document.getIn(path.slice(0, depth), true)
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line
  }
  return 1
}
