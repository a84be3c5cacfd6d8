/** A Debian version in its parts, as deb-version(7) splits it. */
interface DebVersion {
  readonly epoch: string
  readonly upstream: string
  readonly revision: string
}

/**
 * Order of two Debian versions by deb-version(7): negative, 0 or positive. Never throws; an epoch that is no number counts as text before
 * the colon. It stands with the protocol because both sides must agree: what a collector tells as an update that waits, the hub must not
 * hold for a downgrade.
 */
export function compareDebianVersions(a: string, b: string): number {
  const [x, y] = [parse(a), parse(b)]
  return (
    compareParts(x.epoch, y.epoch) ||
    compareParts(x.upstream, y.upstream) ||
    compareParts(x.revision, y.revision)
  )
}

function parse(text: string): DebVersion {
  const colon = text.indexOf(':')
  const epoch = colon < 0 ? '0' : text.slice(0, colon)
  const rest = text.slice(colon + 1)
  const hyphen = rest.lastIndexOf('-')
  if (hyphen < 0) return { epoch, upstream: rest, revision: '' }
  return { epoch, upstream: rest.slice(0, hyphen), revision: rest.slice(hyphen + 1) }
}

/** dpkg's verrevcmp: stretches that are no digits by `order`, then stretches of digits by value, in turns. */
function compareParts(a: string, b: string): number {
  let i = 0
  let j = 0
  while (i < a.length || j < b.length) {
    while ((i < a.length && !isDigit(a, i)) || (j < b.length && !isDigit(b, j))) {
      const difference = order(a, i) - order(b, j)
      if (difference !== 0) return difference
      i++
      j++
    }
    while (a[i] === '0') i++
    while (b[j] === '0') j++
    let first = 0
    while (isDigit(a, i) && isDigit(b, j)) {
      if (first === 0) first = a.charCodeAt(i) - b.charCodeAt(j)
      i++
      j++
    }
    if (isDigit(a, i)) return 1
    if (isDigit(b, j)) return -1
    if (first !== 0) return first
  }
  return 0
}

/** `~` before everything, even before the end; digits and the end alike; letters before other characters. */
function order(text: string, at: number): number {
  if (at >= text.length || isDigit(text, at)) return 0
  const character = text[at]!
  if (character === '~') return -1
  return /[A-Za-z]/.test(character) ? text.charCodeAt(at) : text.charCodeAt(at) + 256
}

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at)
  return code >= 48 && code <= 57
}
