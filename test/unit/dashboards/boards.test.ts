import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type * as grafana from '@grafana/schema'
import t from 'tap'
import { parse as parseYaml } from 'yaml'
import { severityOf } from '../../../alerts/alert.ts'
import { hostSources } from '../../../collector/sources/all.ts'
import { boards } from '../../../dashboards/boards.ts'
import { metricCatalogue, prometheusMetadata } from '../../../dashboards/catalogue.ts'
import { differences, projectFiles, provisioningFiles, run } from '../../../dashboards/generate.ts'
import { grafanaRulesFile } from '../../../dashboards/grafana-alerts.ts'
import { influxBoards } from '../../../dashboards/influxdb/boards.ts'
import { stableJson } from '../../../dashboards/layer/json.ts'
import type { BoardModel, PanelModel, Plain } from '../../../dashboards/layer/model.ts'
import { severityIs } from '../../../dashboards/selectors.ts'
import { packageRoot } from '../../../server/assets.ts'
import { parse } from '../../../server/promql/syntax/parser.ts'
import { isRow, lint, panelsOf, targetsOf } from './board-lint.ts'
import { catalogued, labelsOf, uses } from './queries.ts'

const all = boards('http://127.0.0.1:9770')
const uids = new Set(all.map(({ uid }) => uid))
const models: readonly BoardModel[] = all.map(({ model }) => model)

t.test('the written files are what the code writes, twice the same', async (t) => {
  t.same(differences(packageRoot, projectFiles()), [], 'run `npm run boards`')
  t.same([...projectFiles()], [...projectFiles()])
})

t.test(
  '--check names what is missing, changed or left over; --out writes a folder for Grafana',
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'callward-boards-'))
    t.teardown(() => rmSync(folder, { recursive: true }))
    const said: string[] = []
    const say = (line: string) => said.push(line)
    t.equal(run(folder, ['--check'], say), 1)
    t.ok(said.includes('docs/metrics.md is missing'))
    t.equal(run(folder, [], say), 0)
    t.equal(run(folder, ['--check'], say), 0)
    writeFileSync(join(folder, 'dashboards/generated/99-old.json'), '{}')
    writeFileSync(join(folder, 'docs/metrics.md'), 'edited by hand')
    t.same(differences(folder, projectFiles()), [
      'docs/metrics.md differs',
      'dashboards/generated/99-old.json belongs to no board',
    ])
    t.equal(run(folder, ['--check'], say), 1)

    const out = join(folder, 'grafana')
    t.equal(run(folder, ['--hub', 'https://callward.bank.example/', '--out', out], say), 0)
    const fleet = JSON.parse(
      readFileSync(join(out, 'dashboards/callward/01-fleet.json'), 'utf8'),
    ) as BoardModel
    t.equal(
      fleet.templating?.list?.find(({ name }) => name === 'hub')?.query,
      'https://callward.bank.example',
    )

    for (const args of [
      ['--hub', 'https://x'],
      ['--check', '--out', 'x'],
      ['--hub', 'callward', '--out', 'x'],
      ['--nonsense'],
    ]) {
      t.equal(run(folder, args, say), 2, args.join(' '))
    }
  },
)

t.test('every board keeps the rules', async (t) => {
  for (const model of models) t.same(lint(model, uids), [], model.title ?? '')
  t.equal(new Set(models.map(({ title }) => title)).size, models.length)
})

t.test('the rules find what breaks them', async (t) => {
  const faults = (change: (board: BoardModel) => void) => {
    const copy = structuredClone(models[0]!)
    change(copy)
    return lint(copy, uids).join('\n')
  }
  const panel = (board: BoardModel, id: number) => panelsOf(board).find((one) => one.id === id)!
  const expr = (board: BoardModel, id: number, text: string) => {
    targetsOf(panel(board, id))[0] = { ...targetsOf(panel(board, id))[0]!, expr: text }
    panel(board, id).targets = [{ ...panel(board, id).targets![0], expr: text }]
  }
  const hosts = 'customer=~"$customer",site=~"$site",role=~"$role",server=~"$server"'
  const cases: [name: string, change: (board: BoardModel) => void, found: RegExp][] = [
    [
      'editable',
      (b) => {
        b.editable = true
      },
      /editable/,
    ],
    [
      'same id twice',
      (b) => {
        panel(b, 102).id = 101
      },
      /id 101 twice/,
    ],
    [
      'foreign id',
      (b) => {
        panel(b, 102).id = 702
      },
      /id 702 is not of board 1/,
    ],
    [
      'same title twice',
      (b) => {
        panel(b, 102).title = 'Servers'
      },
      /title "Servers" twice/,
    ],
    [
      'overlap',
      (b) => {
        panel(b, 102).gridPos = { ...panel(b, 101).gridPos! }
      },
      /101 and 102 overlap/,
    ],
    [
      'outside',
      (b) => {
        panel(b, 106).gridPos!.w = 5
      },
      /outside the grid/,
    ],
    [
      'no purpose',
      (b) => {
        b.panels = b.panels!.filter((one) => one.type !== 'text')
      },
      /purpose/,
    ],
    [
      'no description',
      (b) => {
        panel(b, 103).description = 'Alerts.'
      },
      /description/,
    ],
    [
      'other data source',
      (b) => {
        panel(b, 103).datasource!.uid = 'prometheus'
      },
      /data source/,
    ],
    [
      'green when absent',
      (b) => {
        panel(b, 103).fieldConfig!.defaults.thresholds!.steps[0]!.color = 'green'
      },
      /look judged/,
    ],
    [
      'red as good',
      (b) =>
        void panel(b, 105).fieldConfig!.defaults.thresholds!.steps.splice(1, 1, {
          color: 'red',
          value: 0,
        }),
      /wrong way/,
    ],
    [
      'no words for nothing',
      (b) => void delete panel(b, 103).fieldConfig!.defaults.noValue,
      /absent data/,
    ],
    [
      'unit',
      (b) => {
        panel(b, 105).fieldConfig!.defaults.unit = 'percents'
      },
      /unit percents/,
    ],
    [
      'broken link',
      (b) => {
        panel(b, 105).links![0]!.url = `/d/callward-gone?\${__url_time_range}`
      },
      /which there is not/,
    ],
    [
      'link without time',
      (b) => {
        panel(b, 105).links![0]!.url = '/d/callward-server?'
      },
      /loses the time range/,
    ],
    [
      'link to a label that is gone',
      (b) => {
        panel(b, 102).links = panel(b, 105).links!
      },
      /needs customer/,
    ],
    [
      'unknown metric',
      (b) => expr(b, 112, `node_cpu_seconds{${hosts}}`),
      /node_cpu_seconds is not in the catalogue/,
    ],
    [
      'unknown label',
      (b) => expr(b, 112, `node_load1{cpu="0",${hosts}}`),
      /node_load1 has no label cpu/,
    ],
    [
      'counter as gauge',
      (b) => expr(b, 112, `node_cpu_seconds_total{${hosts}}`),
      /counter outside/,
    ],
    [
      'gauge as counter',
      (b) => expr(b, 112, `rate(node_load1{${hosts}}[$__rate_interval])`),
      /gauge inside rate/,
    ],
    [
      'fixed range',
      (b) => expr(b, 112, `rate(node_cpu_seconds_total{${hosts}}[5m])`),
      /300000 ms without a reason/,
    ],
    ['every host', (b) => expr(b, 112, 'node_load1'), /does not ask for customer/],
    ['grouping', (b) => expr(b, 112, `max by (device) (node_load1{${hosts}})`), /groups by device/],
    ['legend', (b) => expr(b, 112, `max by (site) (node_load1{${hosts}})`), /legend names server/],
    [
      'last known value',
      (b) => {
        panel(b, 105).targets = [{ ...panel(b, 105).targets![0], instant: false, range: true }]
      },
      /old value of a silent server/,
    ],
    ['all', (b) => void delete b.templating!.list![1]!.allValue, /"All"/],
    ['variables in another order', (b) => void b.templating!.list!.reverse(), /data source/],
    [
      '13 open',
      (b) =>
        void b.panels!.push(
          { ...structuredClone(panel(b, 112)), id: 150, title: 'x' },
          { ...structuredClone(panel(b, 112)), id: 151, title: 'y' },
        ),
      /13 panels open/,
    ],
    [
      'curves as a heatmap',
      (b) => {
        panel(b, 112).type = 'heatmap'
      },
      /other series than buckets/,
    ],
    [
      'a histogram of several queries',
      (b) => {
        panel(b, 111).type = 'histogram'
      },
      /a histogram of 3 queries/,
    ],
    [
      'states without words',
      (b) => {
        panel(b, 107).fieldConfig!.defaults.mappings = []
      },
      /states without words/,
    ],
    [
      'a list of alerts of every host',
      (b) =>
        void Object.assign(panel(b, 112), {
          type: 'alertlist',
          options: { stateFilter: {}, alertInstanceLabelFilter: '{severity="critical"}', of: 1 },
        }),
      /option of.*states of another list.*lists no state.*does not ask for server/s,
    ],
    [
      'repeated by nothing',
      (b) => void Object.assign(panel(b, 112), { repeat: 'device' }),
      /repeated by device.*copies that look alike.*a line shared/s,
    ],
    [
      'a variable in a title that stays as it is',
      (b) => {
        panel(b, 112).title = 'CPU of $server'
      },
      /title CPU of \$server/,
    ],
    ['no overlay', (b) => void b.annotations!.list!.pop(), /no overlay Versions changed/],
  ]
  for (const [name, change, found] of cases) t.match(faults(change), found, name)
})

t.test('boards are Grafana’s own shape', async (t) => {
  // The compiler checks the shape where boards are built; this line fails to compile when the two part.
  for (const model of models) t.ok((model satisfies Plain<grafana.Dashboard>).panels)
})

const schemas = process.env.CALLWARD_BOARD_SCHEMAS ?? join(dirname(packageRoot), 'shared', 'boards')

const { Ajv } = await import('ajv').catch(() => ({ Ajv: undefined }))
const present = readdirOr(schemas)
const withoutSchemas =
  Ajv === undefined
    ? 'ajv is not installed'
    : present.includes('dashboard.jsonschema.json')
      ? false
      : 'no JSON Schemas: set CALLWARD_BOARD_SCHEMAS to their folder'
const withoutBoard = present.includes('node-exporter-full-1860.json')
  ? false
  : 'board 1860 is not here'

interface Validator {
  (value: unknown): boolean
  errors?: unknown
}
interface Schema {
  readonly definitions: Record<string, Record<string, unknown>>
}

function schema(name: string): Schema {
  return JSON.parse(readFileSync(join(schemas, `${name}.jsonschema.json`), 'utf8')) as Schema
}

t.test('boards pass Grafana’s JSON Schemas', { skip: withoutSchemas }, async (t) => {
  const ajv = new Ajv!({ strict: false, allErrors: true, validateFormats: false })
  const compile = (whole: Schema, definition: string): Validator =>
    ajv.compile({ ...whole, $ref: `#/definitions/${definition}` })
  // Three places where the schema says "object" for what may be anything.
  const dashboard = schema('dashboard')
  for (const [name, key] of [
    ['MatcherConfig', 'options'],
    ['DynamicConfigValue', 'value'],
  ] as const) {
    ;(dashboard.definitions[name]!.properties as Record<string, unknown>)[key] = {}
  }
  const check = (validate: Validator, value: unknown, what: string) =>
    t.ok(validate(value), what, { errors: validate.errors })
  const whole = compile(dashboard, 'Dashboard')
  const target = compile(schema('prometheus'), 'Dataquery')
  const unitIds = Object.values(schema('units').definitions).map(({ const: id }) => id)
  const own: Record<string, { options: Validator; custom?: Validator }> = {
    timeseries: {
      options: compile(schema('timeseries'), 'Options'),
      custom: compile(schema('timeseries'), 'GraphFieldConfig'),
    },
    stat: { options: compile(schema('stat'), 'Options') },
    bargauge: { options: compile(schema('bargauge'), 'Options') },
    gauge: { options: compile(schema('gauge'), 'Options') },
    table: {
      options: compile(schema('table'), 'Options'),
      custom: compile(schema('table'), 'TableFieldOptions'),
    },
    'state-timeline': {
      options: compile(schema('statetimeline'), 'Options'),
      custom: compile(schema('statetimeline'), 'FieldConfig'),
    },
    'status-history': {
      options: compile(schema('statushistory'), 'Options'),
      custom: compile(schema('statushistory'), 'FieldConfig'),
    },
    heatmap: {
      options: compile(schema('heatmap'), 'Options'),
      custom: compile(schema('heatmap'), 'FieldConfig'),
    },
    histogram: {
      options: compile(schema('histogram'), 'Options'),
      custom: compile(schema('histogram'), 'FieldConfig'),
    },
    text: { options: compile(schema('text'), 'Options') },
  }
  for (const model of models) {
    check(whole, model, `${model.title}`)
    for (const panel of panelsOf(model)) {
      const at = `${model.uid}/${panel.id} ${panel.title}`
      // Grafana publishes no schema of its alert list; `listFaults` holds it against its source.
      if (panel.type === 'alertlist') continue
      check(own[panel.type]!.options, panel.options, `${at}: options`)
      const custom = own[panel.type]!.custom
      if (custom) check(custom, panel.fieldConfig!.defaults.custom, `${at}: field`)
      for (const one of targetsOf(panel)) check(target, one, `${at}: query ${one.refId}`)
      const unit = panel.fieldConfig?.defaults.unit
      if (unit !== undefined) t.ok(unitIds.includes(unit), `${at}: unit ${unit}`)
    }
  }
  for (const { model } of influxBoards('http://127.0.0.1:9770'))
    check(whole, model, `${model.title}`)
  const broken = { ...models[0]!, panels: [{ ...(models[0]!.panels![0] as PanelModel), spann: 4 }] }
  t.notOk(whole(broken), 'the schema refuses a stray key')
})

t.test(
  'the board everybody knows asks for what the catalogue has',
  { skip: withoutBoard },
  async (t) => {
    const path = join(schemas, 'node-exporter-full-1860.json')
    const known = JSON.parse(readFileSync(path, 'utf8')) as BoardModel
    const queries = (known.panels ?? [])
      .flatMap((panel) => [panel as PanelModel, ...(isRow(panel) ? panel.panels : [])])
      .flatMap(targetsOf)
    const fill = (text: string) =>
      text.replaceAll('$__rate_interval', '1m').replaceAll(/\$\{?(node|job)\}?/g, 'x')
    const asked = queries.flatMap(({ expr }) => uses(parse(fill(expr))))
    const shared = asked.filter(({ metric }) => catalogued(metric) !== undefined)
    for (const { metric, matchers } of shared) {
      // It asks node_network_up for operstate, which node_exporter gives only to node_network_info.
      if (metric === 'node_network_up') continue
      const strange = Object.keys(matchers).filter((name) => !labelsOf(metric).has(name))
      if (strange.length > 0) t.fail(`${metric} has no ${strange}`)
    }
    const names = new Set(shared.map(({ metric }) => metric))
    t.ok(
      names.size >= 150,
      `${names.size} of its ${new Set(asked.map(({ metric }) => metric)).size} metrics`,
    )
  },
)

t.test('what the collector reads is in the catalogue, with its labels', async (t) => {
  const strange = new Set<string>()
  for (const source of hostSources({ proc: '/proc', sys: '/sys', rootfs: '/' })) {
    const { metrics } = await source.read(Date.UTC(2026, 0, 1)).catch(() => ({ metrics: [] }))
    for (const { name, labels } of metrics) {
      const metric = catalogued(name)
      // The kernel decides which fields of meminfo there are.
      if (metric === undefined && /^node_memory_\w+_bytes$/.test(name)) continue
      const wrong =
        metric === undefined ||
        Object.keys(labels).sort().join() !== [...metric.labels].sort().join()
      if (wrong || metric.from !== `collector: ${source.name}`)
        strange.add(`${name}{${Object.keys(labels)}} of ${source.name}`)
    }
  }
  t.same([...strange], [], 'add these to dashboards/catalogue-host.ts')
})

/** Cookies and annotations whose names look like metrics. */
const notMetrics = new Set([
  'callward_session',
  'callward_impact',
  'callward_cause',
  'callward_since',
  'callward_policy',
  'callward_configs',
  'callward_recovery',
  'callward_minimum_traffic',
  // Frozen as evidence where a call system is read by somebody who tells them; no source of ours does yet.
  'callward_trunk_up',
  'callward_calls_attempted_total',
  'callward_calls_failed_total',
  'callward_calls_abandoned_total',
])

t.test('what the hub and the collector name is in the catalogue', async (t) => {
  const missing = new Set<string>()
  for (const folder of ['server', 'collector']) {
    for (const file of readdirSync(join(packageRoot, folder), {
      recursive: true,
      encoding: 'utf8',
    })) {
      if (!file.endsWith('.ts') || file.startsWith('console/')) continue
      const text = readFileSync(join(packageRoot, folder, file), 'utf8')
      for (const [, name] of text.matchAll(/'(callward_[a-z_]+)'/g)) {
        if (catalogued(name!) === undefined && !notMetrics.has(name!))
          missing.add(`${name} of ${folder}/${file}`)
      }
    }
  }
  t.same([...missing], [], 'add these to dashboards/catalogue.ts, or to notMetrics here')
})

t.test('the catalogue is well formed and answers as Prometheus’s metadata', async (t) => {
  const names = metricCatalogue.map(({ name }) => name)
  t.same(
    names.filter((name, index) => names.indexOf(name) !== index),
    [],
    'each name once',
  )
  for (const { name, type, unit, help, labels, from } of metricCatalogue) {
    const faults = [
      ...(/^[a-zA-Z_]\w*$/.test(name) ? [] : ['name']),
      ...(help.endsWith('.') && help.length > 5 ? [] : ['help']),
      ...(/^(collector|hub): \w+$/.test(from) ? [] : ['from']),
      ...(name.endsWith('_total') && type !== 'counter' ? ['type'] : []),
      ...(/_(seconds|bytes)(_total)?$/.test(name) && !name.includes(unit === '' ? ' ' : unit)
        ? ['unit']
        : []),
      ...(name.startsWith('callward_') && type === 'counter' && !name.endsWith('_total')
        ? ['counter without _total']
        : []),
      ...(labels.some((label) => ['customer', 'server'].includes(label))
        ? ['host label listed']
        : []),
    ]
    if (faults.length > 0) t.fail(`${name}: ${faults}`)
  }
  t.same(prometheusMetadata()['node_load1'], {
    type: 'gauge',
    help: 'Load average over 1 minute.',
    unit: '',
  })
  t.ok('callward_http_requests_total' in prometheusMetadata(), 'the hub stores its own figures')
  t.notOk('callward_trunk_up' in prometheusMetadata(), 'nothing emits this yet')
})

t.test('the provisioning is YAML Grafana understands', async (t) => {
  const files = provisioningFiles('https://callward.bank.example')
  const source = parseYaml(files.get('datasources/callward.yaml')!) as {
    datasources: {
      uid: string
      url: string
      jsonData: Record<string, unknown>
      secureJsonData: Record<string, unknown>
    }[]
  }
  t.match(source.datasources[0], {
    uid: 'callward',
    type: 'prometheus',
    access: 'proxy',
    url: '$CALLWARD_URL/prom',
    jsonData: {
      httpMethod: 'POST',
      timeInterval: '10s',
      prometheusType: 'Prometheus',
      prometheusVersion: '2.53.0',
      manageAlerts: true,
      httpHeaderName1: 'Authorization',
    },
    secureJsonData: { httpHeaderValue1: 'Bearer $CALLWARD_GRAFANA_TOKEN' },
  })
  t.match(
    source.datasources[1],
    {
      uid: 'callward-am',
      type: 'alertmanager',
      url: '$CALLWARD_URL/am',
      jsonData: { implementation: 'prometheus', httpHeaderName1: 'Authorization' },
    },
    'Grafana asks an Alertmanager, not a Mimir',
  )
  t.equal(source.datasources[0]!.jsonData['alertmanagerUid'], source.datasources[1]!.uid)
  const provider = parseYaml(files.get('dashboards/callward.yaml')!) as {
    providers: { folder: string; options: { path: string } }[]
  }
  t.match(provider.providers[0], {
    folder: 'Callward',
    type: 'file',
    allowUiUpdates: false,
    options: { path: '/etc/grafana/provisioning/dashboards/callward' },
  })
  t.equal(
    files.get('dashboards/callward/01-fleet.json'),
    stableJson(boards('https://callward.bank.example')[0]!.model),
  )
})

t.test('every rule of the hub is a rule of Grafana', async (t) => {
  const files = provisioningFiles('https://callward.bank.example')
  const text = files.get('alerting-in-grafana/alerting/callward-rules.yaml')!
  const { groups } = parseYaml(text) as {
    groups: {
      name: string
      rules: {
        uid: string
        title: string
        data: { model: { expr?: string } }[]
        annotations: Record<string, string>
        labels: Record<string, string>
      }[]
    }[]
  }
  const rules = groups.flatMap((group) => group.rules)
  const folder = join(packageRoot, 'alerts/rules')
  const ours = readdirSync(folder)
    .filter((name) => name.endsWith('.yaml') && !name.endsWith('.callward.yaml'))
    .flatMap((name) => {
      const file = parseYaml(readFileSync(join(folder, name), 'utf8')) as {
        groups: { rules: { alert: string; expr: string }[] }[]
      }
      return file.groups.flatMap((group) => group.rules)
    })
  t.equal(rules.length, ours.length)
  t.equal(new Set(rules.map(({ uid }) => uid)).size, rules.length)
  t.equal(new Set(rules.map(({ title }) => title)).size, rules.length)
  t.equal(new Set(groups.map(({ name }) => name)).size, groups.length)
  const expressions = new Set(ours.map(({ expr }) => `(${expr}) * 1`))
  for (const { uid, title, data, annotations, labels } of rules) {
    t.ok(uid.length <= 40, title)
    for (const { model } of data) if (model.expr !== undefined) parse(model.expr)
    t.ok(expressions.has(data[0]!.model.expr!), `${title} asks what the hub asks`)
    t.match(annotations['runbook_url'], /^https:\/\/callward\.bank\.example\/runbooks\/\w+$/)
    t.notMatch(JSON.stringify(annotations), /\$value\b/)
    t.match(labels['severity'], /^(critical|warning|info)$/)
  }
  const changed = (expr: string) => {
    const rule = { alert: 'DiskFull', expr, labels: { severity: 'critical' } }
    const file = grafanaRulesFile([JSON.stringify({ groups: [{ name: 'x', rules: [rule] }] })], '')
    return /uid: (callward-\w+)/.exec(file)?.[1]
  }
  t.equal(changed('up == 0'), changed('up < 1'), 'a rule that is mended stays the same rule')
  t.match(parseYaml(files.get('alerting-in-grafana/alerting/callward-contact-point.yaml')!), {
    contactPoints: [
      { receivers: [{ type: 'prometheus-alertmanager', settings: { url: '$CALLWARD_URL/am' } }] },
    ],
  })
  t.match(parseYaml(files.get('influxdb/datasources/callward-influxdb.yaml')!), {
    datasources: [{ type: 'influxdb', jsonData: { dbName: 'callward' } }],
  })
})

function readdirOr(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

t.test('the boards count an alert as urgent as the hub does', async (t) => {
  const matches = (matcher: string, word: string) => {
    const [, op, pattern] = /^severity(=~|!~)"\(\?i\)(.*)"$/.exec(matcher)!
    return new RegExp(`^(?:${pattern})$`, 'i').test(word) === (op === '=~')
  }
  const words = ['critical', 'Page', 'error', 'disaster', 'high', 'warning', 'warn', 'average']
  for (const severity of [...words, 'info', 'information', 'ticket', 'none', 'P1', '']) {
    const counts = severityOf({ severity })
    for (const [name, matcher] of Object.entries(severityIs))
      t.equal(matches(matcher, severity), counts === name, `${severity}: ${name}`)
  }
})
