/** Part of a query's text; `end` is exclusive, both count UTF-16 units from 0. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** Prints where a span starts as `line:column`, both from 1. */
export function lineAndColumn(text: string, span: Span): string {
  if (text === '') return 'unknown position'
  if (span.start < 0 || span.start > text.length) return 'invalid position'
  const before = text.slice(0, span.start)
  const lastBreak = before.lastIndexOf('\n')
  const line = before.split('\n').length
  return `${line}:${span.start - lastBreak}`
}
