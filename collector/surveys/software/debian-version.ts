interface Version {
  readonly epoch: number
  readonly upstream: string
  readonly revision: string
}

/**
 * Order of two Debian versions as deb-version(7) defines it and `dpkg --compare-versions` judges: negative, 0 or positive.
 * Takes any text; what dpkg would refuse as a version gets some order that is the same every time.
 */
export function compareDebianVersions(a: string, b: string): number {
  const [left, right] = [parsed(a), parsed(b)]
  return (
    left.epoch - right.epoch ||
    compareParts(left.upstream, right.upstream) ||
    compareParts(left.revision, right.revision)
  )
}

function parsed(text: string): Version {
  const colon = text.indexOf(':')
  const epoch = colon > 0 && /^\d+$/.test(text.slice(0, colon)) ? Number(text.slice(0, colon)) : 0
  const rest = text.slice(colon + 1)
  const hyphen = rest.lastIndexOf('-')
  if (hyphen < 0) return { epoch, upstream: rest, revision: '' }
  return { epoch, upstream: rest.slice(0, hyphen), revision: rest.slice(hyphen + 1) }
}

const digit = (code: number) => code >= 48 && code <= 57

/** Letters sort before all else, `~` before the end; the end and a digit count as nothing. */
function weight(code: number): number {
  if (Number.isNaN(code) || digit(code)) return 0
  if (code === 126) return -1
  const letter = (code >= 65 && code <= 90) || (code >= 97 && code <= 122)
  return letter ? code : code + 256
}

/** Runs of non-digits by weight and runs of digits by number, in turn. */
function compareParts(a: string, b: string): number {
  let i = 0
  let j = 0
  while (i < a.length || j < b.length) {
    while ((i < a.length && !digit(a.charCodeAt(i))) || (j < b.length && !digit(b.charCodeAt(j)))) {
      const difference = weight(a.charCodeAt(i)) - weight(b.charCodeAt(j))
      if (difference !== 0) return difference
      i++
      j++
    }
    const [left, right] = [digitsAt(a, i), digitsAt(b, j)]
    const difference = compareNumbers(left, right)
    if (difference !== 0) return difference
    i += left.length
    j += right.length
  }
  return 0
}

function digitsAt(text: string, from: number): string {
  let end = from
  while (end < text.length && digit(text.charCodeAt(end))) end++
  return text.slice(from, end)
}

/** Numbers of any length, as text. */
function compareNumbers(a: string, b: string): number {
  const [left, right] = [a.replace(/^0+/, ''), b.replace(/^0+/, '')]
  if (left.length !== right.length) return left.length - right.length
  return left < right ? -1 : left > right ? 1 : 0
}
