import type { PanelDefinition } from '../../../../../dashboards/drawing/definition.ts'
import { judge } from '../../../../../dashboards/drawing/judged.ts'
import { cellOf, rowsOf } from '../../../../../dashboards/drawing/rows.ts'
import { type Figure, figuresOf } from '../../../../../dashboards/drawing/series.ts'
import { wordsOf } from '../../../../../dashboards/drawing/words.ts'
import type { PanelData } from './panel-data.ts'
import type { Scene } from './scene.ts'
import { Linked, Nothing, reader, toneClass } from './shown.tsx'

interface Props {
  readonly panel: PanelDefinition
  readonly data: PanelData
  readonly scene: Scene
}

/** One figure, or a few with their names, in large type. */
export function StatPanel({ panel, data, scene }: Props) {
  const figures = figuresOf(panel, data.answers)
  if (figures.length === 0) return <Nothing noValue={panel.fieldConfig?.defaults.noValue} />
  const named = panel.options?.['textMode'] === 'value_and_name' || figures.length > 1
  return (
    <ul class={figures.length > 2 ? 'stat-figures many' : 'stat-figures'}>
      {figures.map((figure) => {
        const { text, tone } = judge(figure.value, figure.field, reader(scene))
        return (
          <li key={`${figure.name} ${JSON.stringify(figure.labels)}`}>
            <strong class={`stat-figure ${toneClass(tone)}`}>
              <Linked text={text} links={figure.field.links} labels={figure.labels} scene={scene} />
            </strong>
            {named && <span class="muted"> {figure.name}</span>}
          </li>
        )
      })}
    </ul>
  )
}

/** Bars side by side on one scale, one a series. */
export function BarsPanel({ panel, data, scene }: Props) {
  const figures = figuresOf(panel, data.answers)
  if (figures.length === 0) return <Nothing noValue={panel.fieldConfig?.defaults.noValue} />
  const { min = 0, max = Math.max(0, ...figures.map(({ value }) => value ?? 0)) } =
    panel.fieldConfig?.defaults ?? {}
  return (
    <ul class="bars">
      {figures.map((figure) => (
        <Bar
          key={`${figure.name} ${JSON.stringify(figure.labels)}`}
          {...{ figure, scene, min, max }}
        />
      ))}
    </ul>
  )
}

interface BarProps {
  readonly figure: Figure
  readonly scene: Scene
  readonly min: number
  readonly max: number
}

function Bar({ figure, scene, min, max }: BarProps) {
  const { text, tone } = judge(figure.value, figure.field, reader(scene))
  const share = max > min ? ((figure.value ?? min) - min) / (max - min) : 0
  const width = `${Math.round(Math.min(1, Math.max(0, share)) * 1000) / 10}%`
  return (
    <li class={toneClass(tone)}>
      <span class="bar-name">
        <Linked
          text={figure.name}
          links={figure.field.links}
          labels={figure.labels}
          scene={scene}
        />
      </span>
      <span class="bar-room" aria-hidden="true">
        <span class="bar-filled" style={{ width }} />
      </span>
      <strong>{text}</strong>
    </li>
  )
}

/** A table, sorted as the board says. */
export function TablePanel({ panel, data, scene }: Props) {
  const { columns, rows } = rowsOf(panel, data.answers)
  if (rows.length === 0) return <Nothing noValue={undefined} />
  return (
    <table class="board-table">
      <thead>
        <tr>
          {columns.map(({ key, title }) => (
            <th key={key} scope="col">
              {title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={JSON.stringify(row.cells)}>
            {columns.map((column) => {
              const { text, tone } = cellOf(row, column, reader(scene))
              return (
                <td key={column.key} class={toneClass(tone)}>
                  <Linked text={text} links={column.field.links} labels={row.cells} scene={scene} />
                </td>
              )
            })}
          </tr>
        ))}
      </tbody>
    </table>
  )
}

/** What the board is for. */
export function TextPanel({ panel }: { panel: PanelDefinition }) {
  const content = String(panel.options?.['content'] ?? '')
  return (
    <p class="panel-words">
      {wordsOf(content).map(({ text, style }, index) => {
        const key = `${index} ${text}`
        if (style === 'strong') return <strong key={key}>{text}</strong>
        if (style === 'emphasis') return <em key={key}>{text}</em>
        if (style === 'code') return <code key={key}>{text}</code>
        return <span key={key}>{text}</span>
      })}
    </p>
  )
}
