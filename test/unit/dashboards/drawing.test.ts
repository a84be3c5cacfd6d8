import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { addressQuery, readAddress } from '../../../dashboards/drawing/address.ts'
import { alertListOf } from '../../../dashboards/drawing/alert-list.ts'
import {
  type BoardDefinition,
  fieldOf,
  groupsOf,
  type PanelDefinition,
  panelsOf,
  type VariableDefinition,
} from '../../../dashboards/drawing/definition.ts'
import { arcOf, endsOf, reachesOf, turnOf } from '../../../dashboards/drawing/gauge.ts'
import {
  bandName,
  countText,
  heatmapOf,
  pathOf,
  shadeCount,
  shadeOf,
} from '../../../dashboards/drawing/heatmap.ts'
import { binName, histogramOf } from '../../../dashboards/drawing/histogram.ts'
import { judge, judgeText, limitLines, toneOf } from '../../../dashboards/drawing/judged.ts'
import { addressOf } from '../../../dashboards/drawing/links.ts'
import { bandsOf, marksOf } from '../../../dashboards/drawing/marks.ts'
import { pictureOf } from '../../../dashboards/drawing/picture.ts'
import { columnsOfCopy, copiesOf } from '../../../dashboards/drawing/repeat.ts'
import { cellOf, rowsOf } from '../../../dashboards/drawing/rows.ts'
import { scaleOf, stepsOf, ticksOf } from '../../../dashboards/drawing/scale.ts'
import {
  curvesOf,
  figuresOf,
  largestOf,
  lastOf,
  legendOf,
  stacked,
  stretchesOf,
} from '../../../dashboards/drawing/series.ts'
import { momentOf, spanSeconds, timesOf, windowOf } from '../../../dashboards/drawing/time.ts'
import { inUnit } from '../../../dashboards/drawing/units.ts'
import {
  all,
  chosenOf,
  fillQuery,
  labelQuery,
  titleIn,
} from '../../../dashboards/drawing/variables.ts'
import { wordsOf } from '../../../dashboards/drawing/words.ts'
import { packageRoot } from '../../../server/assets.ts'

const folder = join(packageRoot, 'dashboards', 'generated')
const boards = readdirSync(folder).map(
  (name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as BoardDefinition,
)
const board = (uid: string) => boards.find((one) => one.uid === uid)!
const fleet = board('callward-fleet')
const panelOf = (title: string, of = fleet) => panelsOf(of).find((one) => one.title === title)!
const now = Date.parse('2026-03-02T08:00:00Z')
const window = { start: 1000, end: 1060, step: 10, seconds: 60, last: 1065 }

t.test('units are written as Grafana writes them, in the reader’s language', async (t) => {
  const table: [number, string | undefined, string, string][] = [
    [0.4237, 'percentunit', 'en-GB', '42.4%'],
    [1, 'percentunit', 'en-GB', '100%'],
    [0.00042, 'percentunit', 'en-GB', '0.042%'],
    [0, 'none', 'en-GB', '0'],
    [1234567, 'none', 'en-GB', '1,234,567'],
    [1234567, 'short', 'en-GB', '1.2m'],
    [999, 'short', 'en-GB', '999'],
    [1536, 'bytes', 'en-GB', '1.5 KiB'],
    [1024 ** 3, 'bytes', 'en-GB', '1 GiB'],
    [1500, 'Bps', 'en-GB', '1.5 kB/s'],
    [-200, 'Bps', 'en-GB', '-200 B/s'],
    [0.002, 's', 'en-GB', '2ms'],
    [90, 's', 'en-GB', '1.5m'],
    [13.5, 'd', 'en-GB', '1.93w'],
    [7, 'reqps', 'en-GB', '7 req/s'],
    [40.5, 'celsius', 'en-GB', '40.5 °C'],
    [3, 'furlong', 'en-GB', '3 furlong'],
    [93_784, 'dtdurations', 'en-GB', '1 day, 2 hrs'],
    [-900, 'dtdurations', 'en-GB', '-15 mins'],
    [now - 300_000, 'dateTimeFromNow', 'en-GB', '5 minutes ago'],
    [now - 300_000, 'dateTimeFromNow', 'ru', '5 минут назад'],
    [90, 's', 'zh-CN', '1.5分钟'],
    [Number.POSITIVE_INFINITY, 's', 'en-GB', '∞'],
    [Number.NaN, 's', 'en-GB', '–'],
  ]
  for (const [value, unit, language, text] of table)
    t.equal(inUnit(value, unit, { language, now }), text, `${value} ${unit}`)
  t.equal(inUnit(0.123456, 'percentunit', { language: 'en-GB', decimals: 1, now }), '12.3%')
  for (const one of boards.flatMap(panelsOf)) {
    const unit = one.fieldConfig?.defaults.unit
    if (unit !== undefined) t.not(inUnit(1.5, unit, { language: 'en', now }), `1.5 ${unit}`, unit)
  }
})

t.test('thresholds, words and absence', async (t) => {
  const reader = { language: 'en-GB', now }
  const field = fieldOf(panelOf('Fullest file system'), 'x')
  t.same(judge(0.5, field, reader), { text: '50%', tone: 'good' })
  t.same(judge(0.8, field, reader), { text: '80%', tone: 'attention' })
  t.same(judge(0.95, field, reader), { text: '95%', tone: 'bad' })
  t.same(judge(null, field, reader), { text: 'no data', tone: 'unknown' }, 'never a zero')
  const state = fieldOf(panelOf('State of each server'), 'x')
  t.same(judge(3, state, reader), { text: 'silent', tone: 'silent' })
  t.equal(toneOf('something'), 'plain')
  t.same(
    limitLines(fieldOf(panelOf('CPU busy'), 'x')).map(({ at, tone }) => [at, tone]),
    [
      [0.8, 'attention'],
      [0.95, 'bad'],
    ],
  )
  t.same(limitLines(fieldOf(panelOf('Traffic by site'), 'x')), [])
  const range = { type: 'range', options: { from: 1, to: null, result: { text: 'up' } } } as const
  t.equal(judge(7, { mappings: [range] }, reader).text, 'up')
  t.equal(judge(0.5, { mappings: [range] }, reader).text, '0.5')
  t.same(judgeText('', {}), { text: '–', tone: 'unknown' })
})

t.test('overrides hold for the series they name', async (t) => {
  const traffic = panelOf('Traffic by site')
  t.equal(fieldOf(traffic, 'a b sent').custom?.transform, 'negative-Y')
  t.equal(fieldOf(traffic, 'a b received').custom?.transform, undefined)
  t.equal(fieldOf(traffic, 'a b sent').unit, 'Bps', 'the defaults stay')
  const pale = panelOf('Calls in progress', board('callward-sip'))
  t.equal(fieldOf(pale, 'hanoi, last week').custom?.lineWidth, 0)
  t.equal(fieldOf(pale, 'hanoi').custom?.lineWidth, 1)
})

t.test('rows: open ones take the panels after them', async (t) => {
  for (const one of boards) {
    const listed = one.panels.flatMap((panel) => (panel.type === 'row' ? [] : [panel.id]))
    const inRows = one.panels.flatMap((panel) =>
      'panels' in panel ? panel.panels.map(({ id }) => id) : [],
    )
    t.same(
      panelsOf(one)
        .map(({ id }) => id)
        .sort(),
      [...listed, ...inRows].sort(),
      `${one.uid}: none is lost`,
    )
    const ids = groupsOf(one).map(({ id }) => id)
    t.equal(new Set(ids).size, ids.length)
  }
})

t.test('times and steps', async (t) => {
  t.equal(spanSeconds('90d'), 7_776_000)
  t.equal(spanSeconds('5 min'), undefined)
  t.equal(momentOf('now-1h', now), now - 3_600_000)
  t.equal(momentOf('1000', now), 1000)
  t.equal(momentOf('2026-03-02T08:00:00Z', now), now)
  t.equal(momentOf('yesterday', now), undefined)
  for (const span of ['1h', '6h', '24h', '7d', '30d', '90d', '3y']) {
    const found = windowOf({ from: `now-${span}`, to: 'now' }, now, 300)!
    t.ok(timesOf(found).length <= 302, `${span}: ${timesOf(found).length} steps`)
    t.equal(found.start % found.step, 0)
    t.ok(found.end * 1000 <= now, 'nothing is asked of the future')
    t.equal(found.last * 1000, now, 'figures of one moment are of now, however coarse the steps')
  }
  t.equal(windowOf({ from: 'now', to: 'now-1h' }, now, 300), undefined)
  t.equal(windowOf({ from: 'x', to: 'now' }, now, 300), undefined)
  const ahead = windowOf({ from: 'now-1h', to: String(now + 9e6) }, now, 300)!
  t.ok(ahead.end * 1000 <= now)
})

t.test('variables go into queries as texts, whatever they hold', async (t) => {
  const { list } = fleet.templating
  const fill = (text: string, choices: Record<string, string[]>) =>
    fillQuery(text, list, choices, window)
  t.equal(fill('x{site=~"$site"}', { site: [all] }), 'x{site=~".+"}')
  t.equal(fill('x{site=~"$site|"}', { site: ['hanoi'] }), 'x{site=~"hanoi|"}')
  t.equal(fill('x{site=~"$site"}', { site: ['a', 'b'] }), 'x{site=~"(a|b)"}')
  t.equal(fill('x{site=~"$site"}', { site: ['a.b'] }), 'x{site=~"a\\\\.b"}')
  t.equal(fill('x{site=~"$site"}', { site: ['"} or y{a="'] }), 'x{site=~"\\"\\\\} or y\\\\{a=\\""}')
  t.equal(fill('rate(x[$__rate_interval])', {}), 'rate(x[40s])')
  t.equal(fill('rate(x[$window])', { window: ['15m'] }), 'rate(x[15m])')
  t.equal(fill('increase(x[$__range])', {}), 'increase(x[60s])')
  t.equal(fill('$other', {}), '$other')
  t.same(labelQuery('label_values(a{b=~"$c"}, site)'), { series: 'a{b=~"$c"}', label: 'site' })
  t.equal(labelQuery('query_result(up)'), undefined)
})

t.test('what is chosen', async (t) => {
  const [site, averaged] = ['site', 'window'].map(
    (name) => fleet.templating.list.find((one) => one.name === name)!,
  ) as [VariableDefinition, VariableDefinition]
  const server = board('callward-server').templating.list.find(({ name }) => name === 'server')!
  t.same(chosenOf(site, [], ['a']), [all])
  t.same(chosenOf(site, ['gone'], ['a']), ['gone'], 'a link to a silent host still shows it')
  t.same(chosenOf(averaged, [], ['5m', '15m']), ['5m'])
  t.same(
    chosenOf(averaged, ['7m] or vector(1'], ['5m', '15m']),
    ['5m'],
    'a list knows only its own',
  )
  t.same(chosenOf(server, [], ['a', 'b']), ['a'])
  t.same(chosenOf(server, [all], ['a', 'b']), ['a'], 'a board of one server')
  t.same(chosenOf(server, [], []), [])
})

t.test('an address is read and written alike', async (t) => {
  const text = 'from=now-7d&to=now&refresh=5m&var-site=a&var-site=b%26c'
  const address = readAddress(text, fleet)
  t.same(address.choices, { site: ['a', 'b&c'] })
  t.equal(addressQuery(address).toString(), text)
  t.equal(readAddress('', fleet).from, 'now-6h')
  t.equal(readAddress('refresh=1s', fleet).refresh, '', 'no hub is asked every second')
})

t.test('series become curves with gaps', async (t) => {
  const panel = panelOf('CPU busy')
  const target = { ...panel.targets![0]!, legendFormat: '{{customer}} {{server}}' }
  const series = [
    {
      metric: { server: 'a' },
      values: [
        [1000, '0.5'],
        [1020, 'NaN'],
        [1030, '+Inf'],
        [1040, '0.7'],
      ] as [number, string][],
    },
  ]
  const [curve] = curvesOf(panel, [{ target, series }], window)
  t.equal(curve!.name, 'a')
  t.same(curve!.values, [0.5, null, null, null, 0.7, null, null])
  t.equal(lastOf(curve!.values), 0.7)
  t.equal(largestOf([-3, 2, null]), -3)
  t.same(scaleOf(curve!.field, [curve!.values]), [0, 1])
  t.same(scaleOf({}, [[null, null]]), [0, 1])
  t.same(scaleOf({ max: 1 }, [[2]]), [0, 2.2])
  t.same(scaleOf({}, [[0.0942, 0.01]]), [0, 0.104], 'a limit at 10 % is in sight')
  const steps = [0.02, 0.8, 0.95].map((value) => ({ color: 'red', value }))
  const limits = { thresholds: { steps }, custom: { thresholdsStyle: { mode: 'dashed' } } }
  t.same(scaleOf(limits, [[0.712]]), [0, 0.8], 'the next limit, the one beyond it not')
  t.same(scaleOf(limits, [[0.5]]), [0, 0.55])
  t.same(scaleOf({}, [[-33, 60]]), [-43, 70], 'with room below as well')
  const sent = panelOf('Traffic by site')
  const out = { ...sent.targets![1]!, legendFormat: 'x sent' }
  const [below] = curvesOf(sent, [{ target: out, series }], window)
  t.equal(below!.values[0], -0.5)
  t.same(stacked([curve!, curve!])[1], [1, null, null, null, 1.4, null, null])
  t.equal(legendOf({ refId: 'A', expr: 'up' }, {}), 'up')
  t.equal(legendOf({ refId: 'A', expr: 'up' }, { __name__: 'up', a: 'b' }), 'up{a="b"}')
  t.same(stretchesOf({ ...curve!, values: [1, 1, null, 2, 2, 2, 2] }, window), [
    { from: 1000, to: 1020, value: 1 },
    { from: 1030, to: 1060, value: 2 },
  ])
  const [newest] = stretchesOf(
    { ...curve!, values: [null, null, null, null, null, null, 2] },
    window,
  )
  t.same(newest, { from: 1060, to: 1060, value: 2 }, 'known only at the last step')
  const [figure] = figuresOf(panel, [{ target, series: [{ metric: {}, value: [1, 'NaN'] }] }])
  t.equal(figure!.value, null)
})

t.test('a table is joined, sorted and told in words', async (t) => {
  const panel = panelOf('Worst first')
  const host = (server: string, value: string) => ({
    metric: { server, instance: server, ...(server === 'a' ? { site: 'hall' } : {}) },
    value: [1000, value] as [number, string],
  })
  const [state, alerts] = panel.targets!
  const { columns, rows } = rowsOf(panel, [
    { target: state!, series: [host('a', '0'), host('b', '3')] },
    { target: alerts!, series: [host('b', '2')] },
  ])
  const reader = { language: 'en-GB', now }
  const shown = rows.map((row) => columns.slice(0, 4).map((one) => cellOf(row, one, reader).text))
  t.same(
    columns.slice(0, 4).map(({ title }) => title),
    ['State', 'Site', 'Server', 'Alerts'],
    'a label that no row has is no column',
  )
  t.same(shown, [
    ['silent', '-', 'b', '2'],
    ['ok', 'hall', 'a', '-'],
  ])
})

t.test('every link of every board lands in the hub', async (t) => {
  const labels = { server: 'sbc 1', instance: 'i/1', alertname: 'A', incident: '7', site: 'ha&noi' }
  const scene = { from: 'now-6h', to: 'now', choices: { site: [all] }, labels }
  const urls = new Set<string>()
  JSON.stringify(boards.flatMap(panelsOf), (key, value) => {
    if (key === 'url' && value !== '') urls.add(String(value))
    return value
  })
  t.ok(urls.size > 8)
  for (const url of urls)
    t.match(addressOf(url, scene), /^\/(?:boards|hosts|runbooks|incidents|alerts|$)/, url)
  const lead = (title: string, of: PanelDefinition) =>
    addressOf(of.fieldConfig!.defaults.links!.find((link) => link.title === title)!.url, scene)
  const state = panelOf('State of each server')
  t.equal(lead('This host in the console', state), '/hosts/i%2F1')
  t.equal(
    lead('Server board', state),
    '/boards/server?var-site=ha%26noi&var-server=sbc+1&var-role=%24__all&from=now-6h&to=now',
  )
  t.equal(addressOf('//evil.example', scene), undefined)
  t.equal(addressOf('https://evil.example', scene), undefined)
  t.equal(addressOf(`\${hub:raw}/hosts/\${__data.fields.none:percentencode}`, scene), undefined)
})

t.test('overlays are stretches with a page', async (t) => {
  const [, alerts, incidents, work, versions] = fleet.annotations.list
  const values = [1000, 1010, 1040, 1050, 1060].map((at): [number, string] => [at, '1'])
  const metric = { alertname: 'HostSilent', severity: 'critical', server: 'a', customer: 'b' }
  const marks = marksOf(alerts!, [{ metric, values }], window)
  t.same(
    marks.map(({ from, to, lasting, title, text, tone, href }) => ({
      from,
      to,
      lasting,
      title,
      text,
      tone,
      href,
    })),
    [
      {
        from: 1000,
        to: 1010,
        lasting: false,
        title: 'HostSilent',
        text: 'critical a (b)',
        tone: 'attention',
        href: '/runbooks/HostSilent',
      },
      {
        from: 1040,
        to: 1060,
        lasting: true,
        title: 'HostSilent',
        text: 'critical a (b)',
        tone: 'attention',
        href: '/runbooks/HostSilent',
      },
    ],
  )
  const [mark] = marksOf(incidents!, [{ metric: { incident: '7', title: 'Down' }, values }], window)
  t.match(mark, { title: 'Incident 7: Down', href: '/incidents/7', tone: 'bad' })
  const host = { server: 'a', customer: 'b', instance: 'i/1' }
  const planned = { ...host, window: '12', title: 'Update' }
  t.match(marksOf(work!, [{ metric: planned, values }], window)[0], {
    ...{ title: 'Change 12: Update', text: 'a (b)', href: '/hosts/i%2F1', tone: 'note' },
  })
  t.match(marksOf(versions!, [{ metric: { ...host, covered: 'no' }, values }], window)[0], {
    ...{ title: 'Versions changed on a', href: '/hosts/i%2F1', tone: 'silent' },
    text: 'covered by a change record: no (b)',
  })
})

t.test('bands that overlap are one', async (t) => {
  const mark = { lasting: false, title: '', text: '', labels: {}, href: undefined }
  const bands = bandsOf([
    { ...mark, from: 5, to: 9, tone: 'bad' },
    { ...mark, from: 0, to: 6, tone: 'bad' },
    { ...mark, from: 3, to: 4, tone: 'attention' },
    { ...mark, from: 20, to: 21, tone: 'bad' },
  ])
  t.same(bands, [
    { from: 0, to: 9, tone: 'bad' },
    { from: 3, to: 4, tone: 'attention' },
    { from: 20, to: 21, tone: 'bad' },
  ])
})

t.test(
  'a picture: its curves, limits and gaps, and nothing of a label that is not text',
  async (t) => {
    const panel = panelOf('CPU busy')
    const target = { ...panel.targets![0]!, legendFormat: '{{server}}' }
    const values = [1000, 1010, 1030, 1040].map((at): [number, string] => [at, '0.9'])
    const picture = (
      of: PanelDefinition,
      series: { metric: object; values: [number, string][] }[],
    ) =>
      pictureOf({
        ...{ panel: of, window, marks: [], reader: { language: 'en-GB', now }, note: 'a & b' },
        answers: [{ target, series: series as never }],
        ...{ width: 640, height: 300 },
      })
    const svg = picture(panel, [{ metric: { server: '<script>"\u0000' }, values }])
    t.match(svg, /^<svg [^>]*width="640" height="300"/)
    t.equal(svg.match(/stroke-dasharray/g)?.length, 2, 'both limits')
    const [, path] = /<path d="(M[^"]*)" fill="none"/.exec(svg)!
    t.equal(path!.match(/M/g)?.length, 2, 'a gap ends the line')
    t.match(svg, 'a &amp; b')
    t.match(svg, '&lt;script&gt;&quot;\ufffd  90%')
    t.notMatch(svg, '<script')
    t.match(picture(panel, []), '>no data<')
    t.match(picture(panelOf('Calls set up', board('callward-sip')), []), '>no source yet<')
    const state = picture(panelOf('State of each server'), [
      {
        metric: { server: 'a' },
        values: [
          [1000, '0'],
          [1010, '2'],
        ],
      },
    ])
    t.match(state, '<title>critical</title>')
    t.match(
      picture(panelOf('Fullest file systems'), [{ metric: { server: 'a' }, values }]),
      '>90%<',
    )
    const dials = picture(panelOf('Memory used', board('callward-server')), [
      { metric: { server: 'a' }, values },
    ])
    t.match(dials, />90%<.*>a</)
    t.equal(dials.match(/A55 55/g)?.length, 3, 'the limits around the dial')
    const many = Array.from({ length: 15 }, (_, index) => ({
      metric: { server: `s${index}` },
      values,
    }))
    t.match(picture(panel, many), '>+ 3<', 'what has no room is counted')
    t.same(
      ticksOf(0, 1).map((tick) => tick.toFixed(1)),
      ['0.0', '0.2', '0.4', '0.6', '0.8', '1.0'],
    )
    t.same(ticksOf(-860, 857), [-500, 0, 500])
    t.same(ticksOf(0, 3 * 2 ** 30, 'bytes'), [0, 2 ** 30, 2 ** 31, 3 * 2 ** 30])
    t.same(ticksOf(0, 3e9, 'decbytes')[1], 1e9)
    t.same(ticksOf(0, 200_000, 's'), [0, 43_200, 86_400, 129_600, 172_800], 'half days')
    t.same(ticksOf(0, 0.0104, 's')[1], 0.005)
    for (const unit of ['s', 'bytes']) {
      const steps = stepsOf(unit)!
      t.same(
        steps,
        [...steps].sort((a, b) => a - b),
      )
    }
  },
)

const reader = { language: 'en-GB', now }

t.test('a dial: its ends, how far round a value is, and what its limits mean', async (t) => {
  const field = fieldOf(panelOf('Memory used', board('callward-server')), 'a')
  t.same(endsOf(field), [0, 1])
  t.same(endsOf({ unit: 'percent' }), [0, 100])
  t.same(endsOf({ min: 10, unit: 'none' }), [10, 11])
  t.same(
    [0.25, -3, 7, null].map((value) => turnOf(value, field)),
    [0.25, 0, 1, 0],
  )
  t.equal(turnOf(1, { min: 2, max: 2 }), 0, 'a scale without length')
  t.same(reachesOf(field), [
    { from: 0, to: 0.8, tone: 'good' },
    { from: 0.8, to: 0.95, tone: 'attention' },
    { from: 0.95, to: 1, tone: 'bad' },
  ])
  t.same(reachesOf({}), [])
  t.equal(arcOf(44, 0, 1), 'M21.89 82A44 44 0 1 1 98.11 82', 'open below')
  t.equal(arcOf(44, 0, 0.5), 'M21.89 82A44 44 0 0 1 60 16', 'half way is the top')
  t.equal(arcOf(44, 0.5, 0.5), '')
})

t.test('what is repeated: a copy for each value, and titles that name it', async (t) => {
  const known = { device: ['sda', 'sdb'], server: Array.from({ length: 30 }, (_, n) => `s${n}`) }
  const choices = { device: [all], server: [all], site: ['hall'] }
  t.same(copiesOf(undefined, choices, known), { shown: [{ key: '', choices }], left: 0 })
  t.same(copiesOf('device', choices, known).shown, [
    { key: '', choices: { ...choices, device: ['sda'] } },
    { key: '-sdb', choices: { ...choices, device: ['sdb'] } },
  ])
  t.equal(copiesOf('server', choices, known).left, 6)
  t.equal(copiesOf('device', { device: ['sdc'] }, known).shown.length, 1, 'a disk that is gone')
  t.same(copiesOf('device', choices, {}), { shown: [], left: 0 }, 'before the list is known')
  t.same(
    [1, 2, 3, 9].map((count) => columnsOfCopy(count, 2)),
    [24, 12, 12, 12],
  )
  t.equal(
    titleIn(`Disk $device of \${server}`, { device: ['sda'], server: [all] }),
    'Disk sda of server',
  )
  t.equal(titleIn('Disk $device', {}), 'Disk device')
  const row = groupsOf(board('callward-server')).find(({ repeat }) => repeat !== undefined)
  t.match(row, { title: 'Disk $device', repeat: 'device', folded: true })
})

t.test('a list of alerts: its states, and whether an alert is of the chosen hosts', async (t) => {
  const panel = panelOf('About to fire', board('callward-oncall'))
  const { list } = board('callward-oncall').templating
  const every = { customer: [all], site: [all], role: [all], server: [all] }
  const wish = (server: string[]) => alertListOf(panel, list, { ...every, server })
  t.same(wish([all]).states, ['pending'])
  t.equal(wish([all]).most, 20)
  const pbx = { customer: 'bank-a', site: 'hall', role: 'pbx', server: 'pbx.1' }
  t.ok(wish([all]).isWanted(pbx))
  t.ok(wish([all]).isWanted({}), 'one of no host is never left out')
  t.ok(wish(['pbx.1', 'sbc']).isWanted(pbx))
  t.notOk(wish(['pbx']).isWanted(pbx), 'a beginning is another name')
  t.notOk(wish(['pbx-1']).isWanted(pbx))
  t.notOk(wish(['pbx.1']).isWanted({ ...pbx, server: 'pbxx1' }), 'names are no patterns')
  const of = (alertInstanceLabelFilter: string) =>
    alertListOf({ ...panel, options: { alertInstanceLabelFilter } }, list, every).isWanted
  t.ok(of('{a="x.y",b!="z",c!~"q.*"}')({ a: 'x.y', b: 'w' }))
  t.notOk(of('{a="x.y"}')({ a: 'x-y' }))
  t.notOk(of('{c!~"q.*"}')({ c: 'qq' }))
})

t.test('a heatmap: each band counts its own, in Grafana’s shades', async (t) => {
  const panel = panelOf('How long queries took', board('callward-hub'))
  const bucket = (le: string, ...counts: string[]) => ({
    metric: le === '' ? {} : { le },
    values: counts.map((count, index): [number, string] => [1000 + index * 10, count]),
  })
  const series = [
    bucket('+Inf', '10', '4'),
    bucket('0.01', '9', '0'),
    bucket('0.005', '5', '0'),
    bucket('', '99', '99'),
  ]
  const answers = [{ target: panel.targets![0]!, series }]
  const map = heatmapOf(panel, answers, window)
  t.same(
    map.bands.map((band) => [bandName(band, reader), band.counts.slice(0, 3)]),
    [
      ['≤ 5ms', [5, 0, null]],
      ['5ms – 10ms', [4, 0, null]],
      ['> 10ms', [1, 4, null]],
    ],
  )
  t.equal(map.most, 5)
  t.equal(shadeOf(panel, 0, 5), 0, 'none is no shade')
  t.equal(shadeOf(panel, null, 5), 0)
  t.equal(shadeOf(panel, 1e-9, 5), 0, 'what the panel hides')
  t.equal(shadeOf(panel, 5, 5), shadeCount)
  t.equal(shadeOf(panel, 5 / 4, 5), shadeCount / 2, 'the root of the share, as the board says')
  const cells = 'M1 0H2V1H1ZM0 1H1V2H0ZM0 2H1V3H0Z'
  t.equal(pathOf(panel, map, shadeCount), cells, 'the lowest band is at the bottom')
  t.equal(countText(0.25, reader), '0.3')
  t.equal(countText(null, reader), '–')
  const falling = heatmapOf(
    panel,
    [{ target: panel.targets![0]!, series: [bucket('1', '3'), bucket('2', '2')] }],
    window,
  )
  t.equal(falling.bands[1]!.counts[0], 0, 'never below zero')
  const drawing = { panel, window, marks: [], reader, note: 'n', width: 640, height: 300 }
  const svg = pictureOf({ ...drawing, answers })
  t.match(svg, '>5ms – 10ms<')
  t.match(svg, `d="${cells}" fill="#23589f" fill-opacity="1"`)
  t.match(pictureOf({ ...drawing, answers: [] }), '>no data<')
})

t.test('a histogram: bins of one round width, empty ones between them too', async (t) => {
  const panel = panelOf('Servers by security updates waiting', board('callward-versions'))
  const answersOf = (...values: string[]) => [
    {
      target: panel.targets![0]!,
      series: values.map((value, index) => ({
        metric: { server: `s${index}` },
        value: [1, value] as const,
      })),
    },
  ]
  const counts = (...values: string[]) =>
    histogramOf(panel, answersOf(...values)).map(({ from, to, count }) => [from, to, count])
  t.same(counts('3', '3'), [[3, 4, 2]], 'one value')
  t.same(counts('0', '2', '2', 'NaN', '+Inf'), [
    [0, 2, 1],
    [2, 4, 2],
  ])
  t.same(
    counts('0', '1', '3').map(([, , count]) => count),
    [1, 1, 0, 1],
  )
  const wide = histogramOf(panel, answersOf('0', '1', '99'))
  t.equal(wide[0]!.to, 5, 'the next round width above 99 / 20')
  t.equal(wide.length, 20)
  t.equal(
    wide.reduce((sum, { count }) => sum + count, 0),
    3,
    'nobody is lost',
  )
  t.equal(binName(wide[1]!, panel, reader), '5 – 10')
  t.same(counts('NaN'), [])
  const drawing = { panel, window, marks: [], reader, note: 'n', width: 640, height: 300 }
  const svg = pictureOf({ ...drawing, answers: answersOf('0', '1', '99') })
  t.match(svg, '>0 – 5<')
  t.equal(svg.match(/<rect [^>]*fill="#23589f"/g)?.length, 20)
})

t.test('texts', async (t) => {
  t.same(wordsOf('**A** b *c* `d` * e'), [
    { text: 'A', style: 'strong' },
    { text: ' b ', style: 'plain' },
    { text: 'c', style: 'emphasis' },
    { text: ' ', style: 'plain' },
    { text: 'd', style: 'code' },
    { text: ' * e', style: 'plain' },
  ])
})
