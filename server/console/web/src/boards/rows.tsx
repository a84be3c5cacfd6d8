import { useSignal } from '@preact/signals'
import { useMemo } from 'preact/hooks'
import type { Group, PanelDefinition } from '../../../../../dashboards/drawing/definition.ts'
import { type Copies, columnsOfCopy, copiesOf } from '../../../../../dashboards/drawing/repeat.ts'
import { type Choices, titleIn } from '../../../../../dashboards/drawing/variables.ts'
import { t } from '../i18n/language.ts'
import { Panel } from './panel.tsx'
import type { Scene } from './scene.ts'

/** A row of panels, once for each value where the board repeats it. */
export function Rows({ group, scene }: { readonly group: Group; readonly scene: Scene }) {
  const copies = useCopies(group.repeat, scene)
  return (
    <>
      {copies.shown.map(({ key, choices }) => (
        <Row key={key} group={group} scene={{ ...scene, choices }} copy={key} />
      ))}
      <Left copies={copies} />
    </>
  )
}

/** The same copies until a choice changes: their panels ask anew for each that is new. */
function useCopies(repeat: string | undefined, { choices, known }: Scene): Copies {
  return useMemo(() => copiesOf(repeat, choices, known), [repeat, choices, known])
}

/** That there are more copies than are shown. */
function Left({ copies: { left } }: { readonly copies: Copies }) {
  return left > 0 ? <p class="note muted">{t('boards.moreCopies', { count: left })}</p> : null
}

interface PanelProps {
  readonly panel: PanelDefinition
}

interface Props {
  readonly group: Group
  readonly scene: Scene
  /** What tells the copy from others; empty for the first. */
  readonly copy: string
}

function Row({ group, scene, copy }: Props) {
  const open = useSignal(!group.folded)
  const panels = (
    <div class="board-grid">
      {group.panels.map((panel) => (
        <Panels key={panel.id} {...{ panel, scene, copy }} />
      ))}
    </div>
  )
  if (group.title === undefined) return panels
  return (
    <details
      class="board-row"
      open={open.value}
      onToggle={({ currentTarget }) => {
        open.value = currentTarget.open
      }}
    >
      <summary>
        <h2>{titleIn(group.title, scene.choices)}</h2>
      </summary>
      {open.value && panels}
    </details>
  )
}

function Panels({ panel, scene, copy }: Omit<Props, 'group'> & PanelProps) {
  const copies = useCopies(panel.repeat, scene)
  const drawn = useMemo(
    () => copies.shown.map(({ choices }) => copyOf(panel, choices, copies)),
    [panel, copies],
  )
  return (
    <>
      {copies.shown.map(({ key, choices }, index) => (
        <Panel
          key={key}
          panel={drawn[index]!}
          scene={{ ...scene, choices }}
          heading={`panel-${panel.id}${copy}${key}`}
        />
      ))}
      <Left copies={copies} />
    </>
  )
}

function copyOf(panel: PanelDefinition, choices: Choices, { shown }: Copies): PanelDefinition {
  const title = titleIn(panel.title, choices)
  if (panel.repeat === undefined) return title === panel.title ? panel : { ...panel, title }
  const w = columnsOfCopy(shown.length, panel.maxPerRow)
  return { ...panel, title, gridPos: { ...panel.gridPos, w } }
}
