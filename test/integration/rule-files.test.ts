import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Fastify, { type FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import t from 'tap'
import type { AlertView } from '../../alerts/alert.ts'
import { CallwardError } from '../../server/errors.ts'
import { queryFor } from '../../server/knowledge/live-answers.ts'
import { knowledgePlugin } from '../../server/knowledge/plugin.ts'
import { createEngine } from '../../server/promql/engine.ts'
import type { Promql } from '../../server/promql/plugin.ts'
import { promqlQueries } from '../../server/rules/promql-queries.ts'
import {
  faultText,
  ownRulesFolder,
  readRuleFiles,
  readRuleText,
} from '../../server/rules/rule-files.ts'
import { createMemoryStore } from '../../server/store/memory-store.ts'
import { folderOf } from '../helpers/folder.ts'
import { until } from '../helpers/hub.ts'
import { RulesHub } from './rules-hub.ts'

const promql: Promql = createEngine({ reader: createMemoryStore() })

function checkExpression(text: string): string | undefined {
  try {
    promqlQueries(promql).compile(text)
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

t.test('a fault is named with file, line and what to do', async (t) => {
  const check = (text: string, expected: RegExp) => {
    const { faults } = readRuleText(text, 'rules/x.yaml', checkExpression)
    t.match(faults.map(faultText).join('\n'), expected, text.slice(0, 60))
  }
  check(
    'groups:\n  - name: a\n    rules:\n      - alert: X\n        expr: sum(\n',
    /^rules\/x\.yaml:5: group "a", rule "X", expr: .*parse error.* \(the rule is left out\)$/,
  )
  check(
    'groups:\n  - name: a\n    rules: [\n',
    /^rules\/x\.yaml:\d: not readable as YAML: .*promtool check rules.*\(the file is left out\)$/,
  )
  check('groups:\n\t- name: a\n', /^rules\/x\.yaml:2: not readable as YAML/)
  check(
    'groups:\n  - name: a\n    rules:\n      - alert: X\n        expr: up\n        fro: 5m\n',
    /^rules\/x\.yaml:6: .*unknown key "fro"/,
  )
  check(
    'groups:\n  - name: a\n    rules:\n      - alert: X\n',
    /^rules\/x\.yaml:4: .*expr: must be a PromQL expression/,
  )
  check(
    'groups:\n  - name: a\n  - name: b\n  - name: a\n',
    /^rules\/x\.yaml:4: group "a" is repeated/,
  )
  check(
    'groups:\n  - name: a\n    rules:\n      - alert: X\n        expr: up\n        annotations:\n          summary: "{{ $labels.x"\n',
    /^rules\/x\.yaml:7: .*unclosed action.*\(the rule runs nevertheless\)$/,
  )
  check(
    'a: &a [x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c]\ne: [*d, *d, *d, *d]\n',
    /aliases/,
  )
  check('name: same\nname: twice\n', /not readable as YAML: Map keys must be unique/)
  t.same(readRuleText('', 'empty.yaml', checkExpression), { groups: [], faults: [] })
})

t.test('one broken file does not stop the others', async (t) => {
  const folder = folderOf(t, {
    'a.yaml': 'groups: [{name: a, rules: [{alert: A, expr: up == 0}]}]',
    'b.yaml': 'groups: [',
    'c.yml': 'groups: [{name: c, rules: [{alert: C, expr: up ==}, {alert: D, expr: up == 0}]}]',
    'notes.txt': 'groups: [',
    '.hidden.yaml': 'groups: [',
    'latin.yaml': '',
    'folder.yaml': {},
  })
  writeFileSync(join(folder, 'latin.yaml'), Buffer.from([0x67, 0xe9]))
  symlinkSync(join(folder, 'nowhere'), join(folder, 'dangling.yaml'))
  const { groups, faults } = readRuleFiles([folder, join(folder, 'missing')], checkExpression)
  t.same(
    groups.map(({ name, rules }) => [name, rules.map((rule) => rule.name)]),
    [
      ['a', ['A']],
      ['c', ['D']],
    ],
  )
  const texts = faults.map(faultText).sort()
  t.equal(texts.length, 5)
  for (const pattern of [
    /b\.yaml:1: not readable as YAML/,
    /c\.yml:1: group "c", rule "C", expr/,
    /latin\.yaml:1: the file is not UTF-8/,
    /dangling\.yaml:1: the file cannot be read \(ENOENT\)/,
    /missing:1: the folder cannot be read \(ENOENT\).*hub\.rulesFolder/,
  ]) {
    t.ok(
      texts.some((text) => pattern.test(text)),
      String(pattern),
    )
  }
})

t.test(
  'what Prometheus’s format lacks: by sibling file, by annotation, with every fault in its place',
  async (t) => {
    const rule = (name: string, more = '') => `{alert: ${name}, expr: up == 0${more}}`
    const folder = folderOf(t, {
      shipped: {
        'hub.yaml': `groups: [{name: hub, rules: [${rule('Shipped')}]}]`,
      },
      own: {
        'calls.yaml': [
          'groups:',
          '  - name: calls',
          '    rules:',
          `      - ${rule('Sibling', ', annotations: {callward_absent_for: 5m}')}`,
          `      - ${rule('Annotated', ', annotations: {callward_absent_for: 10m}')}`,
          '      - alert: Faulty',
          '        expr: up == 0',
          '        annotations:',
          '          callward_recovery: about three',
          '          callward_minimum_traffic: sum( >= 3',
        ].join('\n'),
        'calls.callward.yaml': [
          'rules:',
          '  Sibling: {calendar: "dialling-hours: critical; otherwise: info"}',
          '  Missing: {flap: off}',
          '  Annotated2:',
          '    recovery: nonsense',
          'calendars:',
          "  - {name: dialling-hours, time_intervals: [{times: [{start_time: '08:00', end_time: '20:00'}], location: Asia/Ho_Chi_Minh}]}",
        ].join('\n'),
        'hub.callward.yaml': 'rules: {Shipped: {receivers: voice}}',
        'lonely.callward.yaml': 'rules: {Nobody: {receivers: voice}}',
        'torn.callward.yml': 'rules: {',
      },
    })
    const read = readRuleFiles([join(folder, 'shipped'), join(folder, 'own')], checkExpression)
    const alert = (group: string, name: string, annotations = {}) =>
      ({ group, rule: name, annotations }) as unknown as AlertView
    t.match(read.extrasOf(alert('calls', 'Sibling', { callward_absent_for: '5m' })), {
      severities: [{ calendar: 'dialling-hours', severity: 'critical' }, { severity: 'info' }],
      absentFor: undefined,
    })
    t.equal(
      read.extrasOf(alert('calls', 'Annotated', { callward_absent_for: '10m' })).absentFor,
      600_000,
    )
    t.same(
      read.extrasOf(alert('hub', 'Shipped')).receivers,
      ['voice'],
      'what ships can be extended',
    )
    t.same(read.extrasOf(alert('elsewhere', 'Sibling')).severities, [], 'only its own file’s rules')
    t.same([...read.calendars.keys()], ['dialling-hours'])
    const texts = read.faults.map(faultText)
    for (const pattern of [
      /\/calls\.yaml:9: group "calls", rule "Faulty", annotations\.callward_recovery: .*not a comparison.*the rule runs nevertheless/,
      /\/calls\.yaml:10: .*callward_minimum_traffic: .*parse error/,
      /\/calls\.callward\.yaml:3: no alert "Missing" in calls\.yaml/,
      /\/calls\.callward\.yaml:5: no alert "Annotated2"/,
      /\/calls\.callward\.yaml:5: rules\.Annotated2\.recovery: "nonsense"/,
      /\/lonely\.callward\.yaml:1: there is no rule file lonely\.yaml/,
      /\/torn\.callward\.yml:1: not readable as YAML/,
    ])
      t.ok(
        texts.some((text) => pattern.test(text)),
        `${pattern} in\n${texts.join('\n')}`,
      )
    t.equal(texts.length, 7)
  },
)

t.test(
  'the rules that ship: the hub’s engine takes them all, and each runs for one host',
  async (t) => {
    const { groups, faults } = readRuleFiles([ownRulesFolder], checkExpression)
    t.same(faults, [])
    const rules = groups.flatMap((group) => group.rules)
    t.ok(rules.length >= 24, `${rules.length} rules`)
    for (const rule of rules)
      t.equal(promql.keepsInstance(promql.parse(rule.expr)), true, rule.name)
  },
)

t.test('a hub with a broken extra folder starts, says so and runs the rest', async (t) => {
  const folder = folderOf(t, {
    extra: {
      'broken.yaml': 'groups: [',
      'good.yaml':
        'groups: [{name: bank, rules: [{alert: BankRule, expr: bank > 1, labels: {severity: critical}}]}]',
    },
    data: {},
  })
  const hub = await RulesHub.start({
    rulesFolder: ownRulesFolder,
    extraFolder: join(folder, 'extra'),
    folder: join(folder, 'data'),
  })
  t.ok(
    hub.log.some((line) => /broken\.yaml:1: not readable as YAML/.test(line)),
    'in the log',
  )
  t.match((await hub.app.inject('/api/v1/rules')).json(), {
    faults: [{ file: /broken\.yaml$/, line: 1, leavesOut: 'file' }],
  })
  await hub.reported('pbx-1', { bank: 2 })
  t.same(hub.active(), ['BankRule pbx-1 firing', 'RuleFilesFaulty hub firing'])
  t.ok(hub.told.includes('firing RuleFilesFaulty hub'), 'and the hub’s own rule fires')

  const disk = { device: '/dev/loop0', fstype: 'ext4', mountpoint: '/mnt/small' }
  const filled = (available: number) =>
    hub.report(
      'pbx-1',
      {
        node_filesystem_avail_bytes: available,
        node_filesystem_size_bytes: 30e6,
        node_filesystem_readonly: 0,
      },
      disk,
    )
  filled(20e6)
  await hub.reported('pbx-1', { bank: 0, callward_clock_offset_seconds: 0.1 })
  t.notOk(hub.told.includes('firing FilesystemAlmostFull pbx-1'))
  filled(0.5e6)
  await hub.reported('pbx-1')
  t.ok(
    hub.told.includes('firing FilesystemAlmostFull pbx-1'),
    'a small full disk pages with the report that shows it',
  )
  await hub.close()
})

const runbook = (title: string, body = '## Meaning\n\nText <script>alert(1)</script>\n') =>
  `---\nalert: Full\ntitle: ${title}\nseverity: critical\nroles: [on-call engineer]\nestimated_minutes: 5\nsteps:\n  - id: look\n    text: Look <b>closely</b>\n---\n\n${body}`

async function knowledge(
  folder: string | undefined,
): Promise<{ app: FastifyInstance; log: string[] }> {
  const log: string[] = []
  const app = Fastify({
    logger: { stream: { write: (line: string) => void log.push(line) } },
    routerOptions: { maxParamLength: 1024 },
  })
  app.setErrorHandler((error, _request, reply) =>
    reply
      .code(
        error instanceof CallwardError
          ? error.status
          : ((error as { statusCode?: number }).statusCode ?? 500),
      )
      .send({ error: { message: (error as Error).message } }),
  )
  const nothing = { select: () => nothing, where: () => nothing, execute: async () => [] }
  const records = { write: async () => undefined, read: { selectFrom: () => nothing } }
  await app.register(
    fp(async (one) => void one.decorate('records', records as never), { name: 'callward-records' }),
  )
  await app.register(knowledgePlugin, folder === undefined ? {} : { runbooksFolder: folder })
  return { app, log }
}

t.test('every runbook that ships can be read and has its sections', async (t) => {
  const { app, log } = await knowledge(undefined)
  const { runbooks } = (await app.inject('/api/v1/runbooks')).json() as {
    runbooks: { name: string; title: string; hash: string }[]
  }
  t.ok(runbooks.length >= 24)
  for (const { name } of runbooks) {
    const found = app.runbooks.find(name)
    const headings = found?.body.match(/^## .+$/gm)
    t.same(headings, ['## Meaning', '## First look', '## Fix', '## Escalate'], name)
    t.ok((found?.steps.length ?? 0) >= 3, `${name}: steps`)
    for (const { query } of [...(found?.steps ?? []), ...(found?.checks ?? [])]) {
      if (query === undefined) continue
      t.doesNotThrow(() => promql.parse(queryFor(query, 'pbx-"1\\')), `${name}: ${query}`)
      t.match(query, /"\$instance"/, `${name}: asks of its host alone`)
    }
    const page = await app.inject(`/runbooks/${name}`)
    t.equal(page.statusCode, 200)
    t.notMatch(page.body, /<script|<link|<img|\ssrc="/, `${name}: loads nothing`)
  }
  t.same(
    log.filter((line) => line.includes('cannot be used')),
    [],
  )
})

t.test(
  'a runbook as page and as Markdown; raw HTML stays text; nothing leads out of the folder',
  async (t) => {
    const folder = folderOf(t, {
      runbooks: {
        'Full.md': runbook('Disk & room'),
        'Broken.md': 'no front matter',
        'README.md': '# not a runbook',
      },
      'secret.md': runbook('x'),
    })
    const { app, log } = await knowledge(join(folder, 'runbooks'))
    t.teardown(() => app.close())
    await app.ready()
    const told = () => log.find((line) => line.includes('Broken.md'))
    t.match(await until('a fault is told before anybody asks', told), /front matter is missing/)
    t.same(
      app.runbooks.list().map(({ name }) => name),
      ['Full'],
    )
    const page = await app.inject('/runbooks/Full')
    t.match(page.headers['content-type'], /^text\/html/)
    t.match(
      page.headers['content-security-policy'],
      /default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]+='/,
    )
    t.match(page.body, /<h1>Disk &#38; room<\/h1>/)
    t.match(page.body, /&lt;script&gt;alert\(1\)/)
    t.match(page.body, /Look &#60;b&#62;closely/)
    t.match(page.body, app.runbooks.find('Full')!.hash)
    const markdown = await app.inject({
      url: '/runbooks/Full',
      headers: { accept: 'text/markdown' },
    })
    t.match(markdown.headers['content-type'], /^text\/markdown/)
    t.equal(markdown.body, runbook('Disk & room'))
    for (const name of [
      '..%2Fsecret',
      '%2e%2e%2fsecret',
      'Full.md',
      'full/../../secret',
      'Nothing',
      'Broken',
      'README',
      'a%00b',
      'x'.repeat(300),
    ]) {
      t.ok(
        [400, 404].includes((await app.inject(`/runbooks/${name}`)).statusCode),
        name.slice(0, 30),
      )
    }

    const before = app.runbooks.find('Full')!
    writeFileSync(join(folder, 'runbooks', 'Full.md'), runbook('A better title'))
    t.equal(app.runbooks.find('Full')?.title, 'A better title', 'a changed file is read again')
    t.not(app.runbooks.find('Full')?.hash, before.hash)
    writeFileSync(join(folder, 'runbooks', 'Full.md'), 'broken while somebody edits it')
    t.equal(app.runbooks.find('Full')?.title, 'A better title', 'the last good version stays')
    rmSync(join(folder, 'runbooks'), { recursive: true })
    t.equal(app.runbooks.find('Full')?.title, 'A better title', 'also when the file is gone')
    mkdirSync(join(folder, 'runbooks'))
  },
)

t.test('front matter faults say what to write', async (t) => {
  const good = runbook('Fine')
  const check = (change: [string | RegExp, string], expected: RegExp) => {
    const folder = folderOf(t, { 'Full.md': good.replace(change[0], change[1]) })
    return knowledge(folder).then(({ app, log }) => {
      t.equal(app.runbooks.find('Full'), undefined, String(expected))
      t.match(log.join('\n'), expected)
    })
  }
  await check(['alert: Full', 'alert: Other'], /alert: is missing or wrong; example: .*alert: Full/)
  await check(['title: Fine\n', ''], /title: is missing/)
  await check(['severity: critical', 'severity: page'], /severity: is missing or wrong/)
  await check(['estimated_minutes: 5', 'estimated_minutes: soon'], /estimated_minutes: is missing/)
  await check(['roles: [on-call engineer]', 'roles: []'], /roles: is missing/)
  await check(['id: look', 'id: Look here'], /steps: is missing or wrong/)
  await check(['roles: [on-call engineer]', 'roles: [on-call'], /not readable as YAML/)
})
