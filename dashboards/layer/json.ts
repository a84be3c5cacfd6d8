/** Columns the project's formatter allows a line. */
const lineWidth = 100

/**
 * JSON with sorted keys, two spaces, short arrays on one line and a newline at the end: the same bytes for the
 * same value, and the form the project's formatter leaves alone.
 */
export function stableJson(value: unknown): string {
  return `${write(value, 0, 0)}\n`
}

/** `room` is what stands on the line before the value, beside its indentation. */
function write(value: unknown, depth: number, room: number): string {
  const outer = '  '.repeat(depth)
  const inner = '  '.repeat(depth + 1)
  if (Array.isArray(value)) {
    const flat = value.every((item) => typeof item !== 'object' || item === null)
    const line = `[${value.map((item) => JSON.stringify(item)).join(', ')}]`
    if (flat && outer.length + room + line.length + 1 <= lineWidth) return line
    return `[\n${value.map((item) => inner + write(item, depth + 1, 0)).join(',\n')}\n${outer}]`
  }
  if (typeof value === 'object' && value !== null) {
    const keys = Object.keys(value).sort()
    if (keys.length === 0) return '{}'
    const record = value as Readonly<Record<string, unknown>>
    const lines = keys.map(
      (key) => `${inner}${JSON.stringify(key)}: ${write(record[key], depth + 1, key.length + 4)}`,
    )
    return `{\n${lines.join(',\n')}\n${outer}}`
  }
  if (value === undefined) throw new Error('BUG: undefined in a board')
  return JSON.stringify(value)
}
