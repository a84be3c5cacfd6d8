import { type Document, isNode, LineCounter, parseDocument } from 'yaml'
import type { DocumentFault, Path } from './document.ts'

/** A fault of a file with its line, from 1. */
export interface TextFault {
  readonly line: number
  readonly message: string
}

/** A file longer than this is refused. */
export const textBytesMax = 1024 * 1024

/** Reads YAML (or JSON, which is YAML) and hands the content to `read`; faults come back with their lines. Never throws. */
export function readYaml<T>(
  text: string,
  read: (content: unknown) => {
    readonly value: T | undefined
    readonly faults: readonly DocumentFault[]
  },
): { readonly value: T | undefined; readonly faults: readonly TextFault[] } {
  const refused = (message: string, line = 1) => ({ value: undefined, faults: [{ line, message }] })
  if (text.length > textBytesMax)
    return refused(`longer than ${textBytesMax} characters; make it shorter`)
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  if (document.errors.length > 0)
    return {
      value: undefined,
      faults: document.errors.map((error) => ({
        line: lines.linePos(error.pos[0]).line,
        message: `not readable as YAML: ${error.message}; mend it and try again`,
      })),
    }
  let content: unknown
  try {
    content = document.toJS({ maxAliasCount: 100 })
  } catch (error) {
    return refused(`not readable as YAML: ${(error as Error).message}; write it without aliases`)
  }
  const { value, faults } = read(content)
  return {
    value: faults.length === 0 ? value : undefined,
    faults: faults.map(({ path, message }) => ({ line: lineOf(document, lines, path), message })),
  }
}

function lineOf(document: Document, lines: LineCounter, path: Path): number {
  for (let depth = path.length; depth > 0; depth--) {
    const node = document.getIn(path.slice(0, depth), true)
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line
  }
  return 1
}
