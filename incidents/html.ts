import { headingOf, joined, plainText, type Reader, showInstant, visible } from './document-text.ts'
import type { Block, Cell, PictureBlock, PostMortem } from './postmortem.ts'

/** Quiet on the screen, complete on paper: rows are not cut, headings stay with what follows. On a phone each row is a block. */
const style = `:root{color-scheme:light}body{font:15px/1.5 system-ui,"Noto Sans","Noto Sans CJK SC","Microsoft YaHei",sans-serif;color:#1a1a1a;background:#fff;max-width:60rem;margin:2rem auto;padding:0 1rem}h1{font-size:1.6rem;line-height:1.25}h2{font-size:1.15rem;margin:2rem 0 .5rem;border-bottom:1px solid #999}table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.3rem .6rem .3rem 0;border-bottom:1px solid #ddd;overflow-wrap:anywhere;min-width:4rem}th{font-weight:600}td:first-child{min-width:7rem}.cite{font-family:ui-monospace,monospace;font-size:.8em;color:#444}.lead{color:#333}td,li,p{white-space:pre-line}figure{margin:1rem 0}figure img{display:block;width:100%;max-width:60rem;height:auto;border:1px solid #ddd}figcaption{color:#333;font-size:.9em;overflow-wrap:anywhere}@media screen and (max-width:40rem){thead{display:none}tr{display:block;padding:.5rem 0;border-bottom:1px solid #999}td{display:block;border:0;padding:0}td:empty{display:none}td::before{content:attr(data-column) ": ";color:#555}}@media print{@page{margin:18mm 15mm}body{font-size:10pt;max-width:none;margin:0;padding:0}h1,h2{break-after:avoid}tr,li{break-inside:avoid}thead{display:table-header-group}figure{break-inside:avoid}}`

/** SHA-256 of the style, which is all that the page's policy lets run; a test holds them together. */
export const styleHash = 'sha256-UsKpdvEcxivBYuouiYvTsWF9ooo8POuSGtvpTRR7moc='

/** The style's text, for that test. */
export const styleText = style

/** The post-mortem as one page that needs nothing from outside and runs nothing; its pictures are `data:` addresses. All text is escaped. */
export function toHtml(document: PostMortem, reader: Reader): string {
  const { labels, tag } = reader.words
  const title = headingOf(document, reader.words, visible)
  const sections = document.sections
    .map(({ heading, blocks }) => {
      const body =
        blocks.length === 0
          ? `<p>${escaped(labels.none)}</p>`
          : blocks.map((block) => blockHtml(block, reader)).join('\n')
      return `<section>\n<h2>${escaped(labels[heading])}</h2>\n${body}\n</section>`
    })
    .join('\n')
  return `<!doctype html>
<html lang="${escaped(tag)}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src '${styleHash}'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>${escaped(title)}</h1>
<p class="lead">${escaped(labels.generatedAt)}: ${escaped(showInstant(document.generatedAt, reader.timeZone))}. ${escaped(labels.factsAreEvidence)}</p>
${sections}
</main>
</body>
</html>
`
}

function blockHtml(block: Block, reader: Reader): string {
  if (block.kind === 'paragraph') return `<p>${cellHtml(block.cell, reader)}</p>`
  if (block.kind === 'list') {
    const tag = block.ordered ? 'ol' : 'ul'
    return `<${tag}>${block.items.map((item) => `<li>${cellHtml(item, reader)}</li>`).join('')}</${tag}>`
  }
  if (block.kind === 'picture') return pictureHtml(block, reader)
  const head = block.columns
    .map((column) => `<th scope="col">${escaped(reader.words.labels[column])}</th>`)
    .join('')
  const rows = block.rows.map(({ cells, struck }) => {
    const texts = cells.map((cell) => cellHtml(cell, reader))
    const column = (at: number) => escaped(reader.words.labels[block.columns[at] ?? 'what'])
    return `<tr>${texts.map((one, at) => `<td data-column="${column(at)}">${struck && one !== '' ? `<s>${one}</s>` : one}</td>`).join('')}</tr>`
  })
  return `<table><thead><tr>${head}</tr></thead><tbody>\n${rows.join('\n')}\n</tbody></table>`
}

function pictureHtml({ file, alt, caption }: PictureBlock, reader: Reader): string {
  const address = reader.pictures.get(file)
  const shown =
    address === undefined
      ? `<p>${escaped(reader.words.labels.pictureGone)}</p>`
      : `<img src="${escaped(address)}" alt="${escaped(visible(alt))}">`
  return `<figure>${shown}<figcaption>${cellHtml(caption, reader)}</figcaption></figure>`
}

function cellHtml(cell: Cell, reader: Reader): string {
  return joined(cell, (piece) => {
    const text = escaped(plainText(piece, reader))
    return piece.kind === 'cite' && text !== '' ? `<span class="cite">[${text}]</span>` : text
  })
}

function escaped(text: string): string {
  return text.replaceAll(/[&<>"'`]/g, (one) => `&#${one.codePointAt(0)};`)
}
