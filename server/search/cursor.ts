import { CallwardError } from '../errors.ts'

/** The last result of a page: the next page begins after it. At one score runbooks come before incidents. */
export type Cursor = { readonly score: number } & (
  | { readonly runbook: string }
  | { readonly number: number }
)

export function cursorText(cursor: Cursor): string {
  const place = 'runbook' in cursor ? `r.${cursor.runbook}` : `i.${cursor.number}`
  return Buffer.from(`${cursor.score}.${place}`).toString('base64url')
}

/** Throws bad_request for any other text. */
export function readCursor(text: string): Cursor {
  const match = /^(\d{1,6})\.(?:r\.([A-Za-z][A-Za-z0-9_-]{0,99})|i\.(\d{1,9}))$/.exec(
    Buffer.from(text, 'base64url').toString(),
  )
  if (match === null)
    throw new CallwardError(
      'bad_request',
      'cursor: give back `next` of the page before, unchanged.',
    )
  const score = Number(match[1])
  return match[2] === undefined ? { score, number: Number(match[3]) } : { score, runbook: match[2] }
}
