import { headingOf, joined, plainText, type Reader, showInstant, visible } from './document-text.ts'
import type { Block, Cell, PostMortem } from './postmortem.ts'

/** The post-mortem as Markdown (CommonMark with GitHub's tables). What people wrote has no effect as markup. */
export function toMarkdown(document: PostMortem, reader: Reader): string {
  const { labels } = reader.words
  const lines = [
    `# ${headingOf(document, reader.words, oneLine)}`,
    '',
    `${labels.generatedAt}: ${showInstant(document.generatedAt, reader.timeZone)}. ${labels.factsAreEvidence}`,
  ]
  for (const { heading, blocks } of document.sections) {
    lines.push('', `## ${labels[heading]}`, '')
    lines.push(
      ...(blocks.length === 0
        ? [labels.none]
        : blocks.flatMap((one, index) => [
            ...(index === 0 ? [] : ['']),
            ...blockLines(one, reader),
          ])),
    )
  }
  return `${lines.join('\n')}\n`
}

function blockLines(block: Block, reader: Reader): string[] {
  if (block.kind === 'paragraph') return [cellText(block.cell, reader)]
  if (block.kind === 'list')
    return block.items.map(
      (item, index) => `${block.ordered ? `${index + 1}.` : '-'} ${cellText(item, reader)}`,
    )
  const { labels } = reader.words
  if (block.kind === 'picture') {
    const address = reader.pictures.get(block.file)
    const shown =
      address === undefined ? labels.pictureGone : `![${oneLine(block.alt)}](${address})`
    return [shown, '', cellText(block.caption, reader)]
  }
  return [
    `| ${block.columns.map((column) => labels[column]).join(' | ')} |`,
    `|${block.columns.map(() => '---|').join('')}`,
    ...block.rows.map(({ cells, struck }) => {
      const texts = cells.map((cell) => cellText(cell, reader))
      return `| ${texts.map((one) => (struck && one !== '' ? `~~${one}~~` : one)).join(' | ')} |`
    }),
  ]
}

function cellText(cell: Cell, reader: Reader): string {
  return joined(cell, (piece) => {
    const plain = oneLine(plainText(piece, reader))
    return piece.kind === 'cite' && plain !== '' ? `\\[${plain}\\]` : plain
  })
}

/** Escaped, on one line; a line break becomes a slash. */
function oneLine(text: string): string {
  return visible(text)
    .trim()
    .replaceAll(/\s*\n\s*/g, ' / ')
    .replaceAll(/[\\`*_{}[\]<>#|~!&$^=@]/g, (one) =>
      one === '&' || one === '<' || one === '>' ? entities[one] : `\\${one}`,
    )
    .replace(/^([-+])/, '\\$1')
    .replace(/^(\d{1,9})([.)])(?=\s|$)/, '$1\\$2')
    .replaceAll('://', '&#58;//')
    .replaceAll(/\bwww\./gi, (www) => `${www.slice(0, 3)}&#46;`)
}

const entities = { '&': '&amp;', '<': '&lt;', '>': '&gt;' } as const
