const stanzaCharacters = 4 * 1024 * 1024

/**
 * The stanzas of a control file (deb822(5)), cut at empty lines, from pieces of any size. Throws when one stanza is over
 * 4 MiB: then it is no such file.
 */
export function* stanzas(pieces: Iterable<string>): Generator<string> {
  let rest = ''
  for (const piece of pieces) {
    const text = rest + piece
    let from = 0
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n', from)) {
      if (end > from) yield text.slice(from, end)
      from = end + 2
    }
    rest = text.slice(from)
    if (rest.length > stanzaCharacters) throw new Error('a stanza is over 4 MiB')
  }
  if (rest.trim() !== '') yield rest
}

/** The first line of a field, without blanks around it. */
export function field(stanza: string, name: string): string | undefined {
  const key = `${name}:`
  const at = stanza.startsWith(key) ? 0 : stanza.indexOf(`\n${key}`) + 1
  if (at === 0 && !stanza.startsWith(key)) return undefined
  const end = stanza.indexOf('\n', at)
  return stanza.slice(at + key.length, end < 0 ? undefined : end).trim()
}
