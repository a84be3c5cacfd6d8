import { type Call, CommandError, sayJson, textOption, UsageError } from './command.ts'
import type { Hub } from './hub.ts'
import { incidentPath } from './incident-path.ts'
import { localTime, plain, table } from './render.ts'

type Work = (call: Call, hub: Hub, id: string, words: readonly string[]) => Promise<void>

interface PanelAnswer {
  readonly file: string
  readonly text: string
  readonly from: string
  readonly to: string
  readonly sha256: string | null
  readonly addedAt: string
  readonly addedBy: string
}

interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
}

/** Of Grafana's classic JSON: a folded row holds its panels. */
interface Board {
  readonly panels: readonly (Panel & { readonly panels?: readonly Panel[] })[]
}

/** Panels of boards that are kept with an incident. */
export const panelWorks: Readonly<Record<string, Work>> = {
  async panels(call, hub, id) {
    const answer = await hub.call<{ panels: PanelAnswer[] }>('GET', `${incidentPath(id)}/panels`)
    if (call.values.json === true) return sayJson(call, answer)
    if (answer.panels.length === 0) return call.say('No panel is attached.')
    table(
      call,
      ['FILE', 'PANEL', 'FROM', 'TO', 'BY', 'SHA-256'],
      answer.panels.map((one) => [
        ...[one.file, plain(one.text), localTime(one.from), localTime(one.to)],
        ...[plain(one.addedBy), one.sha256?.slice(0, 16) ?? 'erased'],
      ]),
    )
  },
  async panel(call, hub, id, [board, ...words]) {
    if (board === undefined) return await showBoards(call, hub)
    const definition = await hub.call<Board>('GET', `/api/v1/boards/${encodeURIComponent(board)}`)
    if (words.length === 0) return showPanels(call, definition)
    const body = {
      ...{ board, panel: numberOf(definition, board, words.join(' ')) },
      ...minutesOf(call, 'before'),
      ...minutesOf(call, 'after'),
      ...serversOf(call),
    }
    const answer = await hub.call<{ panel: PanelAnswer; series: number }>(
      'POST',
      `${incidentPath(id)}/panels`,
      body,
    )
    if (call.values.json === true) return sayJson(call, answer)
    const { text, from, to, file } = answer.panel
    call.say(
      `${plain(text)} is attached, ${localTime(from)} to ${localTime(to)} (${file}).${answer.series === 0 ? ' It shows no figures in that time.' : ''}`,
    )
  },
}

async function showBoards(call: Call, hub: Hub): Promise<void> {
  const { boards } = await hub.call<{ boards: { board: string; title: string }[] }>(
    'GET',
    '/api/v1/boards',
  )
  table(
    call,
    ['BOARD', 'TITLE'],
    boards.map(({ board, title }) => [board, plain(title)]),
  )
}

function showPanels(call: Call, definition: Board): void {
  table(
    call,
    ['PANEL', 'KIND', 'TITLE'],
    panelsOf(definition).map(({ id, type, title }) => [String(id), type, plain(title)]),
  )
}

function panelsOf({ panels }: Board): readonly Panel[] {
  return panels.flatMap((one) => (one.type === 'row' ? (one.panels ?? []) : [one]))
}

/** A panel's number, from itself or its title. */
function numberOf(definition: Board, board: string, name: string): number {
  if (/^\d{1,6}$/.test(name)) return Number(name)
  const found = panelsOf(definition).filter(
    ({ title }) => title.toLowerCase() === name.toLowerCase(),
  )
  const [one] = found
  if (one !== undefined && found.length === 1) return one.id
  throw new CommandError(
    `The board ${board} has ${found.length === 0 ? 'no panel' : 'several panels'} "${plain(name)}"; its panels with their numbers: callward incident N panel ${board}`,
  )
}

function minutesOf(call: Call, name: 'before' | 'after'): Readonly<Record<string, number>> {
  const text = textOption(call, name)
  if (text === undefined) return {}
  if (!/^\d{1,5}$/.test(text))
    throw new UsageError(`--${name} is a number of minutes: --${name} 60`)
  return { [`${name}Minutes`]: Number(text) }
}

function serversOf(call: Call): { choices?: { server: readonly string[] } } {
  const names = (textOption(call, 'server') ?? '').split(',').map((name) => name.trim())
  const server = names.filter((name) => name !== '')
  return server.length === 0 ? {} : { choices: { server } }
}
