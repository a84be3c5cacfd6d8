/** A piece of a text panel. */
export interface Words {
  readonly text: string
  readonly style: 'plain' | 'strong' | 'emphasis' | 'code'
}

/** The Markdown the boards' texts use: `**strong**`, `*emphasis*`, `` `code` ``; all else is plain. */
export function wordsOf(text: string): readonly Words[] {
  return text
    .split(/(\*\*[^*]+\*\*|\*[^*]+\*|`[^`]+`)/)
    .filter((piece) => piece !== '')
    .map((piece) => {
      if (/^\*\*.+\*\*$/.test(piece)) return { text: piece.slice(2, -2), style: 'strong' }
      if (/^\*.+\*$/.test(piece)) return { text: piece.slice(1, -1), style: 'emphasis' }
      if (/^`.+`$/.test(piece)) return { text: piece.slice(1, -1), style: 'code' }
      return { text: piece, style: 'plain' }
    })
}
