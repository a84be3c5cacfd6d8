/** What differs between two values, one line each: `layers.0.handOff: 09:00 -> 10:00`. At most `most` lines. */
export function differences(before: unknown, after: unknown, most = 200): string[] {
  const lines: string[] = []
  compare('', before, after, lines, most)
  return lines
}

function compare(path: string, a: unknown, b: unknown, lines: string[], most: number): void {
  if (lines.length >= most || JSON.stringify(a) === JSON.stringify(b)) return
  if (!isBranch(a) || !isBranch(b) || Array.isArray(a) !== Array.isArray(b)) {
    lines.push(`${path === '' ? 'all' : path}: ${shown(a)} -> ${shown(b)}`)
    return
  }
  if (isPlainList(a) && isPlainList(b)) {
    lines.push(`${path}: ${shown(a)} -> ${shown(b)}`)
    return
  }
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>]
  for (const key of new Set([...Object.keys(left), ...Object.keys(right)]))
    compare(path === '' ? key : `${path}.${key}`, left[key], right[key], lines, most)
}

function isBranch(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function isPlainList(value: object): boolean {
  return Array.isArray(value) && value.every((item) => !isBranch(item))
}

function shown(value: unknown): string {
  if (value === undefined || value === null) return 'nothing'
  if (Array.isArray(value) && value.every((item) => !isBranch(item))) return `[${value.join(', ')}]`
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return text.length > 200 ? `${text.slice(0, 199)}…` : text
}
