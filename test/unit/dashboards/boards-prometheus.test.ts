import t from 'tap'
import { boards } from '../../../dashboards/boards.ts'
import type { BoardModel, PanelModel } from '../../../dashboards/layer/model.ts'
import { panelsOf, targetsOf } from './board-lint.ts'
import { type Answer, missingPrometheus, type Prometheus, startPrometheus } from './prometheus.ts'
import { catalogued, filled, parsed, uses } from './queries.ts'
import { syntheticSeries } from './synthetic-series.ts'

const end = Date.UTC(2026, 5, 1, 12)
const start = end - 2 * 3600_000
const everyone = { customer: '.+', site: '.+', role: '.+', server: '.+' }
const nobody = { customer: 'no-such-bank', site: '.+', role: '.+', server: '.+' }

const models: readonly BoardModel[] = boards('http://127.0.0.1:9770').map(({ model }) => model)
const [fleet, server] = models as [BoardModel, BoardModel]

function queriesOf(
  board: BoardModel,
): { panel: PanelModel; expr: string; instant: boolean; at: string }[] {
  return panelsOf(board).flatMap((panel) =>
    targetsOf(panel).map(({ expr, instant, refId }) => ({
      panel,
      expr,
      instant,
      at: `${panel.id} ${panel.title}, ${refId}`,
    })),
  )
}

/** Panels in which an alert without a host is counted whatever is chosen. */
const showsLoneAlerts = new Set([
  'Critical alerts',
  'Firing alerts by severity',
  'Alerts firing',
  'Firing by severity',
])

const named = new Set([
  'callward_server_info',
  ...models
    .flatMap(queriesOf)
    .flatMap(({ expr }) => uses(parsed(expr)))
    .map(({ metric }) => metric),
  'callward_versions_changed',
])

const missing = missingPrometheus()
if (missing !== false) {
  if (process.env.CALLWARD_REQUIRE_PEERS === '1') t.fail(missing)
  else t.test('every query runs on a real Prometheus', { skip: missing }, async () => {})
} else {
  const prometheus = await startPrometheus(syntheticSeries(named, start, end))
  t.teardown(() => prometheus.stop())
  onPrometheus(prometheus)
}

function onPrometheus(prometheus: Prometheus): void {
  const ask = (
    query: { expr: string; instant: boolean },
    chosen: Readonly<Record<string, string>>,
  ) => {
    const expr = filled(query.expr, chosen)
    // What asks for last week is asked a week later.
    const later = expr.includes(' offset 1w') ? 7 * 86_400_000 : 0
    return query.instant
      ? prometheus.instant(expr, end + later)
      : prometheus.range(expr, start + later, end + later, 60)
  }
  const panelAnswer = (
    board: BoardModel,
    title: string,
    chosen: Readonly<Record<string, string>>,
    index = 0,
  ) => {
    const panel = panelsOf(board).find((one) => one.title === title)!
    return ask(targetsOf(panel)[index]!, chosen)
  }
  const number = (answers: readonly Answer[]) =>
    answers.length === 1 ? Number(answers[0]!.value![1]) : answers.length

  t.test('every query has an answer, with the labels its links and legends need', async (t) => {
    for (const board of models) {
      for (const query of queriesOf(board)) {
        const answers = await ask(query, everyone)
        t.ok(answers.length > 0, `${board.uid} ${query.at}`)
        const bad = answers.filter(({ value, values }) =>
          value === undefined ? values!.length === 0 : !Number.isFinite(Number(value[1])),
        )
        if (bad.length > 0) t.fail(`${board.uid} ${query.at}: not a figure`, { bad })
      }
    }
  })

  t.test('several choices arrive as a pattern', async (t) => {
    const two = { ...everyone, customer: '(bank-a|bank-b)', server: '(pbx-1|sbc-1)' }
    t.equal((await panelAnswer(fleet, 'CPU busy', two)).length, 3)
    t.equal(
      (await panelAnswer(fleet, 'CPU busy', { ...everyone, role: 'pbx' })).length,
      2,
      'a role narrows all servers',
    )
  })

  t.test(
    'where no host is known, no panel shows a figure: a zero there would be a lie',
    async (t) => {
      for (const board of models) {
        // Figures of the hub's own process, and those of no customer, are there whatever is chosen.
        const chosen = queriesOf(board).filter(({ expr }) =>
          uses(parsed(expr)).some(
            ({ metric, matchers }) =>
              catalogued(metric)?.own !== true && matchers['customer'] !== '.+',
          ),
        )
        for (const query of chosen) {
          const answers = await ask(query, nobody)
          // Alerts without a host concern every choice; they may stand in the alerts table.
          const lone = answers.filter(({ metric }) => metric.alertname !== 'SitesDark')
          if (showsLoneAlerts.has(query.panel.title ?? '')) {
            t.ok(
              lone.every(({ value, values }) => (value ?? values![0])![1] !== '0'),
              `${query.at}: no healthy zero`,
            )
          } else t.same(lone, [], `${board.uid} ${query.at}`)
        }
      }
    },
  )

  t.test('the numbers of the fleet are right', async (t) => {
    t.equal(number(await panelAnswer(fleet, 'Servers', everyone, 0)), 3, 'reporting')
    t.equal(number(await panelAnswer(fleet, 'Servers', everyone, 1)), 4, 'known')
    t.equal(number(await panelAnswer(fleet, 'Silent servers', everyone)), 1)
    t.equal(
      number(await panelAnswer(fleet, 'Critical alerts', everyone)),
      2,
      'with the one that names no host',
    )
    t.equal(number(await panelAnswer(fleet, 'Open incidents', everyone)), 1)
    t.equal(
      number(await panelAnswer(fleet, 'Open incidents', { ...everyone, customer: 'bank-b' })),
      0,
    )
    t.equal(number(await panelAnswer(fleet, 'Not seen', everyone)), 1)
    const [fullest] = await panelAnswer(fleet, 'Fullest file system', everyone)
    t.equal(Number(fullest!.value![1]).toFixed(3), '0.672')
    t.ok(fullest!.metric.instance && fullest!.metric.customer, 'a click knows which server')
  })

  t.test('each server has one state, the worst; the tables have one row each', async (t) => {
    const state = Object.fromEntries(
      (await panelAnswer(fleet, 'Worst first', everyone)).map(({ metric, value }) => [
        metric.instance,
        value![1],
      ]),
    )
    t.same(state, {
      'bank-a-pbx-1': '0',
      'bank-a-sbc-1': '1',
      'bank-a-rec-1': '2',
      'bank-b-pbx-1': '3',
    })
    const timeline = await panelAnswer(fleet, 'State of each server', everyone)
    const silent = timeline.find(({ metric }) => metric.instance === 'bank-b-pbx-1')!.values!
    t.equal(silent[0]![1], '0')
    t.equal(silent.at(-1)![1], '3')
    const severities = Object.fromEntries(
      (await panelAnswer(fleet, 'Firing alerts', everyone)).map(({ metric, value }) => [
        metric.alertname,
        value![1],
      ]),
    )
    t.same(severities, { OutOfMemoryKill: '3', SitesDark: '3', CpuBusy: '2', HostRestarted: '1' })
    const since = await panelAnswer(fleet, 'Firing alerts', everyone, 1)
    t.equal(
      since.find(({ metric }) => metric.alertname === 'CpuBusy')!.value![1],
      String(end - 10 * 60_000),
      'milliseconds',
    )
  })

  t.test('a silent server has no figures, not its last ones', async (t) => {
    const silent = { ...everyone, customer: 'bank-b' }
    t.equal(number(await panelAnswer(server, 'Collector', silent)), 0)
    const figures = panelsOf(fleet).find((one) => one.title === 'Worst first')!
    for (const { refId, expr } of targetsOf(figures).slice(2, -1))
      t.same(await ask({ expr, instant: true }, silent), [], `column ${refId}`)
    for (const title of ['CPU busy', 'Memory used', 'Fullest file system', 'Up for'])
      t.same(await panelAnswer(server, title, silent), [], title)
  })

  t.test(
    'days until full: a number for a disk that fills, years for one that does not',
    async (t) => {
      const answers = await panelAnswer(server, 'Disk: days until full', {
        ...everyone,
        server: 'sbc-1',
      })
      const days = Object.fromEntries(
        answers.map(({ metric, value }) => [metric.mountpoint, Number(value![1])]),
      )
      t.equal(days['/'], 3650)
      t.equal(
        days['/var/spool/recordings']!.toFixed(3),
        (32.8e9 / 1e6 / 86_400).toFixed(3),
        '1 MB a second, 32.8 GB left',
      )
    },
  )

  t.test('variables and overlays are filled', async (t) => {
    for (const board of models) {
      for (const variable of board.templating!.list!.filter(({ type }) => type === 'query')) {
        const [, selector, name] = /^label_values\((.+), (\w+)\)$/.exec(String(variable.query))!
        const values = await prometheus.labelValues(name!, filled(selector!, everyone), start, end)
        t.ok(values.length > 0, `${board.uid} ${variable.name}: ${values}`)
      }
      const overlays = board.annotations!.list! as { name: string; expr?: string }[]
      for (const { name, expr } of overlays.filter((one) => one.expr !== undefined)) {
        const answers = await prometheus.range(filled(expr!, everyone), start, end, 60)
        t.ok(answers.length > 0, `${board.uid} ${name}`)
      }
    }
  })
}
