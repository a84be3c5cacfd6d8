import { backupsRows } from '../backups.ts'
import { fleetRows } from '../fleet.ts'
import { type Board, board, type RowSpec } from '../layer/board.ts'
import {
  InfluxPanel,
  type InfluxTarget,
  influxDatasourceVariable,
  tagVariable,
} from '../layer/influxql.ts'
import { DataPanel, type Panel } from '../layer/panel.ts'
import { Text } from '../layer/panels.ts'
import { textVariable, type Variable } from '../layer/variables.ts'
import { serverRows } from '../server.ts'
import { headLinks, tag } from '../shared.ts'
import { backupsQueries, fleetQueries, serverQueries } from './queries.ts'
import { chosen } from './selectors.ts'

/** The data source that provisioning makes for InfluxDB. */
export const influxDatasource = { uid: 'callward-influxdb', name: 'Callward InfluxDB' }

function variables(hubUrl: string, allServers: boolean): readonly Variable[] {
  const measurement = 'callward_server_info'
  const names = ['customer', 'site', 'role', 'server']
  return [
    influxDatasourceVariable(influxDatasource),
    ...names.map((name, index) =>
      tagVariable(
        name,
        name[0]!.toUpperCase() + name.slice(1),
        { measurement, where: names.slice(0, index).map(chosen) },
        { all: allServers || name !== 'server' },
      ),
    ),
    textVariable('hub', 'Hub', hubUrl),
  ]
}

interface Twin {
  readonly number: number
  readonly slug: 'fleet' | 'server' | 'backups'
  readonly title: string
  readonly question: string
  readonly from: string
  readonly rows: readonly RowSpec[]
  readonly queries: Readonly<Record<number, readonly InfluxTarget[]>>
}

const noteNumber = 79

/** Says what the board is, and which panels only the board on the hub has. */
function note({ slug, rows, queries }: Twin): Panel {
  const left = rows
    .flatMap(({ panels }) => panels)
    .filter((panel) => panel instanceof DataPanel && queries[panel.number] === undefined)
    .map(({ title }) => title)
  const words =
    `The panels of the same name of the board \`callward-${slug}\`, drawn from InfluxDB, where samples arrive some six minutes late. ` +
    `InfluxDB joins no metrics and knows no alerts, so these stand on the hub’s board alone: ${left.join(', ')}.`
  return new Text(noteNumber, 'What this board answers', words, { width: 24, height: 3 })
}

/** Links between boards lead to their twins on InfluxDB, whose variable names the same data source. */
function toTwins(board: Board): Board {
  const text = JSON.stringify(board.model).replace(
    /\/d\/callward-(fleet|server|backups)\?/g,
    '/d/callward-influx-$1?',
  )
  return { ...board, model: JSON.parse(text) as Board['model'] }
}

/** Panels with a query for InfluxDB, in their rows; a row without any is left out. */
function drawn({ rows, queries }: Twin): RowSpec[] {
  return rows.flatMap((row) => {
    const panels = row.panels.flatMap((panel) => {
      const targets = queries[panel.number]
      return targets === undefined || !(panel instanceof DataPanel)
        ? []
        : [new InfluxPanel(panel, targets)]
    })
    return panels.length === 0 ? [] : [{ ...row, panels }]
  })
}

function twin(hubUrl: string, one: Twin): Board {
  return toTwins(
    board({
      number: one.number,
      slug: `influx-${one.slug}`,
      title: `Callward / InfluxDB / ${one.title}`,
      description: one.question,
      tags: [tag, 'influxdb'],
      from: one.from,
      refresh: '1m',
      variables: variables(hubUrl, one.slug !== 'server'),
      annotations: [],
      links: headLinks,
      rows: [{ panels: [note(one)] }, ...drawn(one)],
    }),
  )
}

/** The boards for those who keep their figures in InfluxDB. */
export function influxBoards(hubUrl: string): readonly Board[] {
  return [
    twin(hubUrl, {
      number: 21,
      slug: 'fleet',
      title: 'Fleet overview',
      question: 'Which servers report, and which run short of something?',
      from: 'now-6h',
      rows: fleetRows,
      queries: fleetQueries,
    }),
    twin(hubUrl, {
      number: 22,
      slug: 'server',
      title: 'Server',
      question: 'What does this server run short of?',
      from: 'now-6h',
      rows: serverRows,
      queries: serverQueries,
    }),
    twin(hubUrl, {
      number: 23,
      slug: 'backups',
      title: 'Backups and restore drills',
      question: 'Would the backups bring the data back, and how fast?',
      from: 'now-7d',
      rows: backupsRows,
      queries: backupsQueries,
    }),
  ]
}
