import { type Signal, useSignal } from '@preact/signals'
import type { BoardDefinition } from '../../../../../dashboards/drawing/definition.ts'
import { get, post } from '../api.ts'
import { t } from '../i18n/language.ts'
import { Problem } from '../parts/action-button.tsx'
import { Field } from '../parts/field.tsx'
import { Form } from '../parts/form.tsx'
import { shortTitle } from './boards.tsx'

interface Named {
  readonly name: string
  readonly title: string
}

interface Props {
  /** Of the incident's routes. */
  readonly path: string
  readonly onAttached: () => Promise<void>
}

/** The board a reader of an incident most often wants. */
const usualBoard = 'server'

/** Which panel of which board, and how much time around the incident. */
export function AttachPanel({ path, onAttached }: Props) {
  const boards = useSignal<readonly Named[]>([])
  const panels = useSignal<readonly Named[]>([])
  const board = useSignal('')
  const panel = useSignal('')
  const before = useSignal('60')
  const after = useSignal('30')
  const told = useSignal('')
  const error = useSignal<unknown>(null)
  const choose = async (name: string) => {
    board.value = name
    try {
      panels.value = await drawnPanels(name)
      panel.value = panels.value[0]?.name ?? ''
    } catch (problem) {
      error.value = problem
    }
  }
  const open = async () => {
    if (boards.value.length > 0) return
    error.value = null
    try {
      const list = await get<{ boards: { board: string; title: string }[] }>('/api/v1/boards')
      boards.value = list.boards.map(({ board: name, title }) => ({ name, title }))
      await choose(
        boards.value.find(({ name }) => name === usualBoard)?.name ?? boards.value[0]?.name ?? '',
      )
    } catch (problem) {
      error.value = problem
    }
  }
  const attach = async () => {
    told.value = ''
    const { series } = await post<{ series: number }>(`${path}/panels`, {
      ...{ board: board.value, panel: Number(panel.value) },
      ...{ beforeMinutes: Number(before.value), afterMinutes: Number(after.value) },
    })
    told.value = t(series === 0 ? 'panels.attachedEmpty' : 'panels.attached')
    await onAttached()
  }
  const minutes = { inputMode: 'numeric', required: true, maxLength: 5 } as const
  return (
    <details
      onToggle={(event) => {
        if (event.currentTarget.open) void open()
      }}
    >
      <summary>{t('panels.attach')}</summary>
      {error.value !== null && <Problem error={error.value} />}
      <Form submit={t('panels.attach')} act={attach}>
        <Choice
          {...{ id: 'panel-board', label: t('panels.board'), value: board, list: boards.value }}
          pick={(name) => void choose(name)}
        />
        <Choice
          {...{ id: 'panel-panel', label: t('panels.panel'), value: panel, list: panels.value }}
          pick={(name) => {
            panel.value = name
          }}
        />
        <Field id="panel-before" label={t('panels.before')} value={before} {...minutes} />
        <Field id="panel-after" label={t('panels.after')} value={after} {...minutes} />
      </Form>
      <p role="status" class="note">
        {told.value === '' ? t('panels.servers') : told.value}
      </p>
    </details>
  )
}

interface ChoiceProps {
  readonly id: string
  readonly label: string
  readonly value: Signal<string>
  readonly list: readonly Named[]
  readonly pick: (name: string) => void
}

function Choice({ id, label, value, list, pick }: ChoiceProps) {
  return (
    <>
      <label for={id}>{label}</label>
      <select id={id} required value={value.value} onChange={(e) => pick(e.currentTarget.value)}>
        {list.map(({ name, title }) => (
          <option key={name} value={name}>
            {shortTitle(title)}
          </option>
        ))}
      </select>
    </>
  )
}

/** Panels of the board that can be a picture. The drawing's code is fetched only here. */
async function drawnPanels(board: string): Promise<readonly Named[]> {
  const [definition, { panelsOf }, { titleIn }, { drawnKinds }] = await Promise.all([
    get<BoardDefinition>(`/api/v1/boards/${encodeURIComponent(board)}`),
    import('../../../../../dashboards/drawing/definition.ts'),
    import('../../../../../dashboards/drawing/variables.ts'),
    import('../../../../../dashboards/drawing/picture.ts'),
  ])
  return panelsOf(definition)
    .filter(({ type }) => drawnKinds.includes(type))
    .map(({ id, title }) => ({ name: String(id), title: titleIn(title, {}) }))
}
