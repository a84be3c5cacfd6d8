/**
 * Order of two RPM versions `[EPOCH:]VERSION[-RELEASE]`: negative, 0 or positive. Epochs first (none is 0), then versions, then releases
 * where both have one, as RPM compares what a dependency asks with what is installed. Never throws.
 */
export function compareRpmVersions(a: string, b: string): number {
  const [x, y] = [parse(a), parse(b)]
  const byVersion = rpmvercmp(x.epoch, y.epoch) || rpmvercmp(x.version, y.version)
  if (byVersion !== 0 || x.release === undefined || y.release === undefined) return byVersion
  return rpmvercmp(x.release, y.release)
}

function parse(text: string): { epoch: string; version: string; release: string | undefined } {
  const [, epoch, rest = text] = /^(?:(\d+|\(none\)):)?(.*)$/s.exec(text) ?? []
  const hyphen = rest.indexOf('-')
  return {
    epoch: epoch === undefined || epoch === '(none)' ? '0' : epoch,
    version: hyphen < 0 ? rest : rest.slice(0, hyphen),
    release: hyphen < 0 ? undefined : rest.slice(hyphen + 1),
  }
}

/**
 * RPM's own order of two labels (rpm-version(7)): segments of digits or letters in turn, what stands between them counts nothing;
 * `~` before the end, `^` after it but before anything else; digits after letters; the one with more left is the newer.
 */
export function rpmvercmp(a: string, b: string): -1 | 0 | 1 {
  let [one, two] = [a, b]
  while (one !== '' || two !== '') {
    one = one.replace(/^[^A-Za-z0-9~^]+/, '')
    two = two.replace(/^[^A-Za-z0-9~^]+/, '')
    const mark = compareMarks(one, two)
    if (mark === 'same') {
      one = one.slice(1)
      two = two.slice(1)
      continue
    }
    if (mark !== undefined) return mark
    if (one === '' || two === '') break
    const isNumber = /^[0-9]/.test(one)
    const pattern = isNumber ? /^[0-9]+/ : /^[A-Za-z]+/
    const [mine = ''] = pattern.exec(one) ?? []
    const [theirs] = pattern.exec(two) ?? []
    if (theirs === undefined) return isNumber ? 1 : -1
    const order = isNumber ? compareNumbers(mine, theirs) : compareTexts(mine, theirs)
    if (order !== 0) return order
    one = one.slice(mine.length)
    two = two.slice(theirs.length)
  }
  if (one === two) return 0
  return one === '' ? -1 : 1
}

/** What `~` and `^` at the head decide; `same`: both begin with the same one; undefined: neither begins with one. */
function compareMarks(one: string, two: string): -1 | 1 | 'same' | undefined {
  if (one[0] === '~' || two[0] === '~') {
    if (one[0] !== '~') return 1
    return two[0] === '~' ? 'same' : -1
  }
  if (one[0] === '^' || two[0] === '^') {
    if (one === '') return -1
    if (two === '') return 1
    if (one[0] !== '^') return 1
    return two[0] === '^' ? 'same' : -1
  }
  return undefined
}

function compareNumbers(a: string, b: string): -1 | 0 | 1 {
  const [x, y] = [a.replace(/^0+/, ''), b.replace(/^0+/, '')]
  if (x.length !== y.length) return x.length > y.length ? 1 : -1
  return compareTexts(x, y)
}

function compareTexts(a: string, b: string): -1 | 0 | 1 {
  if (a === b) return 0
  return a > b ? 1 : -1
}
