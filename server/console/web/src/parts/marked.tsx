import type { ComponentChildren } from 'preact'
import type { Excerpt } from '../search-types.ts'

/** A text in which what was asked for is marked. */
export function Marked({ text, marks }: Excerpt) {
  const parts: ComponentChildren[] = []
  let from = 0
  for (const [start, end] of marks) {
    parts.push(text.slice(from, start), <mark key={start}>{text.slice(start, end)}</mark>)
    from = end
  }
  return (
    <>
      {parts}
      {text.slice(from)}
    </>
  )
}
