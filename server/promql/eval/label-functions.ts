import { executionFailure } from '../failure.ts'
import { compileAnchored, expandTemplate } from '../regex.ts'
import type { Call } from '../syntax/ast.ts'
import { isLabelName } from '../syntax/quote.ts'
import { type LabelSet, labelValue, withLabel } from './label-set.ts'
import { mergeRows, type Row } from './rows.ts'

function texts(call: Call): readonly string[] {
  return call.args.slice(1).map((arg) => (arg.kind === 'string' ? arg.value : ''))
}

function relabel(
  rows: readonly Row[],
  destination: string,
  compute: (labels: LabelSet) => string | undefined,
): readonly Row[] {
  const changed = rows.map((row) => {
    const value = compute(row.labels)
    if (value === undefined) return row
    const dropName = destination === '__name__' ? false : row.dropName
    return { ...row, labels: withLabel(row.labels, destination, value), dropName }
  })
  return mergeRows(changed)
}

/** `label_replace(v, destination, replacement, source, regex)`. */
export function labelReplace(call: Call, rows: readonly Row[]): readonly Row[] {
  const [destination = '', replacement = '', source = '', pattern = ''] = texts(call)
  let regex: RegExp
  try {
    regex = compileAnchored(pattern)
  } catch (cause) {
    const message = `invalid regular expression in label_replace(): ${pattern}`
    throw Object.assign(executionFailure(message), { cause })
  }
  if (!isLabelName(destination)) {
    throw executionFailure(`invalid destination label name in label_replace(): ${destination}`)
  }
  return relabel(rows, destination, (labels) => {
    const match = regex.exec(labelValue(labels, source))
    return match === null ? undefined : expandTemplate(replacement, match)
  })
}

/** `label_join(v, destination, separator, source...)`. */
export function labelJoin(call: Call, rows: readonly Row[]): readonly Row[] {
  const [destination = '', separator = '', ...sources] = texts(call)
  const wrong = sources.find((source) => !isLabelName(source))
  if (wrong !== undefined) {
    throw executionFailure(`invalid source label name in label_join(): ${wrong}`)
  }
  if (!isLabelName(destination)) {
    throw executionFailure(`invalid destination label name in label_join(): ${destination}`)
  }
  return relabel(rows, destination, (labels) =>
    sources.map((source) => labelValue(labels, source)).join(separator),
  )
}
