function chunks(text: string): readonly string[] {
  return text.match(/\d+|\D+/g) ?? []
}

function asInteger(chunk: string): number | undefined {
  return /^\d+$/.test(chunk) ? Number(chunk) : undefined
}

/** Whether a text sorts before another when runs of digits compare as numbers: `a2` before `a10`. */
export function naturallyBefore(left: string, right: string): boolean {
  const a = chunks(left)
  const b = chunks(right)
  for (let index = 0; index < a.length; index += 1) {
    const mine = a[index] ?? ''
    const other = b[index]
    if (other === undefined) return false
    const mineNumber = asInteger(mine)
    const otherNumber = asInteger(other)
    const bothNumbers = mineNumber !== undefined && otherNumber !== undefined
    const same = bothNumbers ? mineNumber === otherNumber : mine === other
    if (same && index === a.length - 1) return true
    if (!same) return bothNumbers ? mineNumber < otherNumber : mine < other
  }
  return a.length === 0 && b.length > 0
}
