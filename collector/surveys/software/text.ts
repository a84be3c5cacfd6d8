const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu

/** Text from a file or a program, fit to be shown: nothing unprintable, no direction marks, at most `characters` long. */
export function printable(text: string, characters: number): string {
  const clean = text.replace(unprintable, '\ufffd')
  if (clean.length <= characters) return clean
  return `${clean.slice(0, characters - 1).replace(/[\ud800-\udbff]$/, '')}…`
}

/** RFC 3339, UTC, whole seconds; undefined for what is no instant. */
export function instantText(milliseconds: number): string | undefined {
  const instant = new Date(Math.floor(milliseconds / 1000) * 1000)
  return Number.isNaN(instant.getTime()) ? undefined : instant.toISOString().replace('.000Z', 'Z')
}

/** `1 name`, `2 names`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
