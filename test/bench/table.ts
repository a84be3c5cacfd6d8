import { type Bound, type Figures, median, type Result, type Row } from './kit.ts'

/** Three significant digits, or whole numbers from 100 on. */
function number(value: number): string {
  if (!Number.isFinite(value)) return '?'
  if (Math.abs(value) >= 100 || value === 0) return Math.round(value).toLocaleString('en')
  return String(Number(value.toPrecision(3)))
}

/** Median and [min..max]. */
function cell(figures: Figures | undefined): string {
  if (figures === undefined) return '-'
  if (typeof figures === 'string') return figures
  if (figures.length === 1) return number(figures[0]!)
  return `${number(median(figures))} [${number(Math.min(...figures))}..${number(Math.max(...figures))}]`
}

/** How many times better or worse the own median is than a peer's. */
export function comparison(row: Row, own: Figures | undefined, peer: Figures | undefined): string {
  if (own === undefined || typeof own === 'string') return ''
  if (peer === undefined || typeof peer === 'string') return ''
  const [mine, theirs] = [median(own), median(peer)]
  if (mine === theirs) return 'even'
  if (mine === 0 || theirs === 0)
    return mine > theirs === (row.better === 'more') ? 'better' : 'worse'
  const gain = row.better === 'more' ? mine / theirs : theirs / mine
  return gain >= 1 ? `${factor(gain)} better` : `${factor(1 / gain)} worse`
}

const factor = (gain: number) => `${gain >= 10 ? Math.round(gain) : gain.toFixed(1)}x`

/** The figure of a bound; undefined when its peer has none. */
function boundFigure(row: Row, bound: Bound): number | undefined {
  if ('is' in bound) return bound.is
  const peer = Object.keys(row.figures).find((subject) => subject.startsWith(bound.peer))
  const figures = peer === undefined ? undefined : row.figures[peer]
  if (figures === undefined || typeof figures === 'string') return undefined
  return median(figures) * bound.times
}

/** Reach and floor as text, and which of them is met. */
function judgement(row: Row, own: string): string[] {
  const { goal, better } = row
  if (goal === undefined) return ['', '', '']
  const sign = better === 'more' ? '>=' : '<='
  const text = (bound: Bound) => {
    if ('is' in bound) return `${sign} ${number(bound.is)}`
    return `${sign} ${bound.times === 1 ? '' : `${bound.times}x `}${bound.peer}`
  }
  const texts = [text(goal.reach), text(goal.floor)]
  const figures = row.figures[own]
  if (figures === undefined || typeof figures === 'string') return [...texts, '?']
  const mine = median(figures)
  const isMet = (bound: Bound) => {
    const figure = boundFigure(row, bound)
    if (figure === undefined) return undefined
    return better === 'more' ? mine >= figure : mine <= figure
  }
  const [reach, floor] = [isMet(goal.reach), isMet(goal.floor)]
  if (reach === true) return [...texts, 'reach']
  if (floor === true) return [...texts, reach === undefined ? 'floor, reach ?' : 'floor']
  return [...texts, floor === undefined ? '?' : '**missed**']
}

function linesOf({ subjects, rows }: Result): string[][] {
  const [own = '', ...peers] = subjects
  const present = (peer: string) => rows.some(({ figures }) => figures[peer] !== undefined)
  const judged = rows.some(({ goal }) => goal !== undefined)
  const head = ['', 'unit', own, ...peers.flatMap((peer) => [peer, 'Callward is'])]
  if (judged) head.push('reach', 'floor', 'met')
  const body = rows.map((row) => [
    row.name,
    row.unit,
    cell(row.figures[own]),
    ...peers.flatMap((peer) =>
      present(peer)
        ? [cell(row.figures[peer]), comparison(row, row.figures[own], row.figures[peer])]
        : ['not installed', ''],
    ),
    ...(judged ? judgement(row, own) : []),
  ])
  return [head, ...body]
}

/** One benchmark as aligned text, or as Markdown. */
export function printed(result: Result, markdown: boolean): string {
  const lines = linesOf(result)
  const widths = lines[0]!.map((_, column) =>
    Math.max(...lines.map((line) => line[column]!.length)),
  )
  const text = lines.map((line) => line.map((part, column) => part.padEnd(widths[column]!)))
  if (!markdown) {
    const table = text.map((line) => `  ${line.join('  ').trimEnd()}`)
    return [result.title, ...table, ...result.notes.map((note) => `  - ${note}`), ''].join('\n')
  }
  const [head = [], ...body] = text.map((line) => `| ${line.join(' | ')} |`)
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`
  const notes = result.notes.map((note) => `- ${note}`)
  return [`### ${result.title}`, '', head, rule, ...body, '', ...notes, ''].join('\n')
}
