import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse, stringify } from 'yaml'
import { type AlertView, fingerprint, severityOf } from '../../../alerts/alert.ts'
import { formatDuration, parseDuration } from '../../../alerts/duration.ts'
import { formatSampleValue, formatScientific, printf } from '../../../alerts/go-format.ts'
import { type AlertingRule, parseRuleFile } from '../../../alerts/rule.ts'
import { advance, noAlerts, viewOf } from '../../../alerts/state.ts'
import { expand, templateFault } from '../../../alerts/template.ts'
import { packageRoot } from '../../../server/assets.ts'
import fc from '../../helpers/property.ts'
import { checkRules, promtoolMissing, testRules, testRuleTexts } from './promtool.ts'
import { ruleOf } from './scenario.ts'

t.test('a fingerprint names a label set', async (t) => {
  const check = (labels: Record<string, string>, expected: string) =>
    t.equal(fingerprint(labels), expected, JSON.stringify(labels))
  // prometheus/common model/signature_test.go: 14695981039346656037 and 5799056148416392346.
  check({}, 'cbf29ce484222325')
  check({ name: 'garland, briggs', fear: 'love is not enough' }, 5799056148416392346n.toString(16))
  check(
    { fear: 'love is not enough', name: 'garland, briggs', empty: '' },
    5799056148416392346n.toString(16),
  )
  t.not(fingerprint({ a: 'b', c: 'd' }), fingerprint({ a: 'bc', d: '' }))
  t.match(fingerprint({ server: '服务器', ё: 'Ж' }), /^[0-9a-f]{16}$/)
})

t.test('severities', async (t) => {
  const check = (word: string | undefined, expected: string) =>
    t.equal(severityOf(word === undefined ? {} : { severity: word }), expected, word ?? 'none')
  check('critical', 'critical')
  check('page', 'critical')
  check('Warning', 'warning')
  check('ticket', 'info')
  check('constructor', 'warning')
  check(undefined, 'warning')
})

t.test('durations', async (t) => {
  const check = (text: string, expected: number | undefined) =>
    t.equal(parseDuration(text), expected, text)
  check('0', 0)
  check('10s', 10_000)
  check('1h30m', 5_400_000)
  check(
    '1y1w1d1h1m1s1ms',
    365 * 86_400_000 + 7 * 86_400_000 + 86_400_000 + 3_600_000 + 60_000 + 1_001,
  )
  for (const wrong of ['', '10', '1m1h', '-5m', '1.5h', '5 m', 'm', '10S', '99999999999999y'])
    check(wrong, undefined)
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 1e13 }),
      (length) => parseDuration(formatDuration(length)) === length,
    ),
  )
})

t.test('numbers as Go writes them', async (t) => {
  const sample = (value: number, expected: string) => t.equal(formatSampleValue(value), expected)
  sample(1, '1')
  sample(0.1 + 0.2, '0.30000000000000004')
  sample(-0, '-0')
  sample(Number.NaN, 'NaN')
  sample(-Infinity, '-Inf')
  sample(1e21, '1e+21')
  sample(1e-7, '1e-07')
  const scientific = (value: number, expected: string) => t.equal(formatScientific(value), expected)
  scientific(1, '1e+00')
  scientific(0, '0e+00')
  scientific(123456, '1.23456e+05')
  scientific(Infinity, '+Inf')
  const print = (format: string, args: (string | number)[], expected: string) =>
    t.equal(printf(format, args), expected, format)
  print('%.2f%%', [12.345], '12.35%')
  print('%5.1f|%-6s|%06.2f|%+d', [4.14159, 'ab', 2.5, 3], '  4.1|ab    |002.50|%!d(float64=3)')
  print('%s', [1.5], '%!s(float64=1.5)')
  print('%d', ['x'], '%!d(string=x)')
  print('%f', [], '%!f(MISSING)')
  print('a', [1], 'a%!(EXTRA float64=1)')
})

const data = {
  labels: { server: 'pbx-1', device: 'sda', odd: '{{x}}' },
  value: 0.034567,
  externalLabels: { region: 'north' },
}

t.test('templates', async (t) => {
  const check = (text: string, expected: string) => t.equal(expand(text, data), expected, text)
  check('plain', 'plain')
  check(
    '{{ $labels.server }}/{{.Labels.device}} {{ $value }} {{ .Value }}',
    'pbx-1/sda 0.034567 0.034567',
  )
  check('{{ $externalLabels.region }}{{ $labels.none }}', 'north')
  check('{{ $labels.odd }}', '{{x}}')
  check(
    '{{ $value | humanizePercentage }} {{ humanize 1234567.0 }} {{ $value | humanize }}',
    '3.457% 1.235M 34.57m',
  )
  check(
    '{{ 1536 | humanize1024 }}B {{ 93784 | humanizeDuration }} {{ 1435065584.128 | humanizeTimestamp }}',
    '1.5kiB 1d 2h 3m 4s 2015-06-23 13:19:44.128 +0000 UTC',
  )
  check(
    '{{ $labels.server | toUpper | printf "[%s]" }} {{ title "first second" }}',
    '[PBX-1] First Second',
  )
  check('{{ printf "%.2f of %s" ($value) `raw "x"` }}', '0.03 of raw "x"')
  check('{{ index $labels "server" }}', 'pbx-1')
  check('a  {{- " b " -}}  c', 'a b c')
  check('a{{/* nothing */}}b', 'ab')
  for (const wrong of [
    '{{ $labels.x',
    '{{ }}',
    '{{ nofunction 1 }}',
    '{{ $nothing }}',
    '{{ $value.x }}',
    '{{ humanize "x" }}',
    '{{ range query "up" }}',
    '{{ 1 2 }}',
  ]) {
    t.match(expand(wrong, data), /^<error expanding template: .+>$/, wrong)
    t.type(templateFault(wrong), 'string', wrong)
  }
  fc.assert(
    fc.property(
      fc.array(
        fc.constantFrom(
          '{{',
          '}}',
          ' ',
          '$labels',
          '.x',
          '|',
          'printf',
          '"%s"',
          '(',
          ')',
          '-',
          '`',
          '"',
          '1',
          'humanize',
          '/*',
          '*/',
          'é',
        ),
        { maxLength: 20 },
      ),
      (parts) => {
        return typeof expand(parts.join(''), data) === 'string'
      },
    ),
  )
})

t.test(
  'promtool expands the same templates to the same texts',
  { skip: promtoolMissing },
  async (t) => {
    const texts = [
      '{{ $value }}',
      '{{ $value | humanize }}',
      '{{ $value | humanize1024 }}',
      '{{ $value | humanizeDuration }}',
      '{{ $value | humanizePercentage }}',
      '{{ $value | printf "%.2f|%g|%e|%8.3f|%v|%-9.1f|%+.1f|%08.2f|%.0f|%.1e|%.3g" $value $value $value $value $value $value $value $value $value $value }}',
      '{{ $labels.server | toUpper }} {{ $labels.server | title }} {{- " x" }}{{ printf "%q %5s" $labels.server "ab" }}',
      '{{ humanizeTimestamp $value }}',
    ]
    const values = [
      0, 1, -1, 0.5, 0.125, 2.5, 1.5, 999999, 1e6, 20971520, 0.00001234, 999.5, 1023, 1024,
      123456789, -98765.4321, 60, 3600.5, 86400, 1e9, 1435065584.128, 123456.7891, 5e-7, 59.9999,
    ]
    const annotations = Object.fromEntries(texts.map((text, i) => [`a${i}`, text]))
    const rules = { groups: [{ name: 'g', rules: [{ alert: 'A', expr: 'x == x', annotations }] }] }
    const test = {
      rule_files: ['rules.yaml'],
      evaluation_interval: '1m',
      tests: values.map((value) => ({
        interval: '1m',
        input_series: [{ series: 'x{server="pbx one"}', values: `${value}` }],
        alert_rule_test: [
          {
            eval_time: '0m',
            alertname: 'A',
            exp_alerts: [
              {
                exp_labels: { server: 'pbx one' },
                exp_annotations: Object.fromEntries(
                  texts.map((text, i) => [
                    `a${i}`,
                    expand(text, { labels: { server: 'pbx one' }, value, externalLabels: {} }),
                  ]),
                ),
              },
            ],
          },
        ],
      })),
    }
    t.equal(
      testRuleTexts({ 'rules.yaml': stringify(rules), 'test.yaml': stringify(test) }, 'test.yaml'),
      undefined,
    )
  },
)

t.test('a rule file is read with every fault at once', async (t) => {
  const document: unknown = parse(`
groups:
  - name: good
    interval: 30s
    rules:
      - {alert: Fine, expr: up == 0, for: 1m, keep_firing_for: 2m, labels: {severity: page, zone: 3}, annotations: {summary: '{{ $labels.server }}'}}
      - {record: 'a:b', expr: 1, labels: {x: y}}
      - {alert: NoExpr}
      - {alert: BadFor, expr: up, for: 5 minutes}
      - {alert: Typo, expr: up, fro: 5m}
      - {record: 'not a name', expr: up, for: 1m}
      - {alert: Both, record: both, expr: up}
      - {alert: BadLabel, expr: up, labels: {'a-b': c, __name__: d, e: {f: g}}}
      - {alert: BadText, expr: up, annotations: {summary: '{{ $labels.x'}}
      - {alert: BadQuery, expr: 'sum('}
      - just text
  - name: good
  - name: worse
    interval: 0s
    limit: many
  - rules: []
  - name: odd
    colour: red
extra: 1
`)
  const { groups, faults } = parseRuleFile(document, 'x.yaml', (text) =>
    text === 'sum(' ? '1:5: parse error: unclosed left parenthesis' : undefined,
  )
  t.same(
    groups.map(({ name, rules }) => [name, rules.map((rule) => rule.name)]),
    [
      ['good', ['Fine', 'a:b', 'BadText']],
      ['odd', []],
    ],
  )
  t.match(groups[0], { interval: 30_000, file: 'x.yaml', limit: 0 })
  t.match(groups[0]?.rules[0], {
    kind: 'alert',
    for: 60_000,
    keepFiringFor: 120_000,
    labels: { severity: 'page', zone: '3' },
    expr: 'up == 0',
  })
  t.match(groups[0]?.rules[1], { kind: 'record', expr: '1', labels: { x: 'y' } })
  const named = (pattern: RegExp, leavesOut: string) => {
    const found = faults.find(({ message }) => pattern.test(message))
    t.equal(found?.leavesOut, leavesOut, String(pattern))
  }
  named(/"NoExpr", expr: must be.*example/, 'rule')
  named(/"BadFor", for: "5 minutes" is not a duration; example: "for: 1m30s"/, 'rule')
  named(/"Typo": unknown key "fro"; known are/, 'rule')
  named(/"not a name", record: not a metric name/, 'rule')
  named(/"not a name", for: a recording rule has none/, 'rule')
  named(/either "alert" or "record"/, 'rule')
  named(/labels: "a-b" is not a label name/, 'rule')
  named(/labels: "__name__"/, 'rule')
  named(/labels.e: must be a text/, 'rule')
  named(/"BadText", annotations.summary: unclosed action/, 'nothing')
  named(/"BadQuery", expr: 1:5: parse error/, 'rule')
  named(/a rule is a mapping/, 'rule')
  named(/group "good" is repeated/, 'group')
  named(/"worse", interval: must be above 0/, 'group')
  named(/"worse", limit: must be a whole number/, 'group')
  named(/a group needs a "name"/, 'group')
  named(/"odd": unknown key "colour"/, 'nothing')
  named(/the file: unknown key "extra"/, 'nothing')
  t.equal(faults.length, 18)
  t.same(faults.find(({ message }) => message.includes('BadFor'))?.path, [
    'groups',
    0,
    'rules',
    3,
    'for',
  ])
  t.same(parseRuleFile(null, 'empty.yaml'), { groups: [], faults: [] })
  t.equal(parseRuleFile([], 'x').faults.length, 1)
  fc.assert(
    fc.property(fc.jsonValue(), (value) =>
      Array.isArray(parseRuleFile({ groups: [value, { name: 'g', rules: [value] }] }, 'x').groups),
    ),
  )
})

t.test('results that would be the same alert are an error, and nothing changes', async (t) => {
  const rule = ruleOf({ forMillis: 0, keepMillis: 0 })
  const options = { newId: () => 'id' }
  const before = advance(
    rule,
    noAlerts,
    [{ labels: { instance: 'a' }, value: 1 }],
    1000,
    options,
  ).active
  const twins = [
    { labels: { __name__: 'x', instance: 'a' }, value: 1 },
    { labels: { __name__: 'y', instance: 'a', severity: 'info' }, value: 2 },
  ]
  t.throws(() => advance(rule, before, twins, 2000, options), /same labelset/)
  t.throws(
    () =>
      advance(rule, noAlerts, [{ labels: { instance: 'a' }, value: 1 }], 1, {
        ...options,
        taken: () => true,
      }),
    /another rule already raises/,
  )
  t.equal(before.byFingerprint.size, 1)
})

t.test('an alert carries expanded labels and annotations, and its life an id', async (t) => {
  const rule: AlertingRule = {
    ...ruleOf({ forMillis: 0, keepMillis: 0 }),
    labels: { severity: 'critical', note: 'at {{ $value }}', gone: '' },
  }
  const { active } = advance(
    rule,
    noAlerts,
    [{ labels: { __name__: 'x', instance: 'a', gone: 'here' }, value: 7 }],
    5000,
    { newId: () => 'life-1' },
  )
  const [alert] = [...active.byFingerprint.values()].map((one) => viewOf(rule, one))
  const expected: Partial<AlertView> = {
    id: 'life-1',
    rule: 'Story',
    severity: 'critical',
    instance: 'a',
    labels: { alertname: 'Story', instance: 'a', severity: 'critical', note: 'at 7' },
    annotations: { summary: 'a is at 7' },
    state: 'firing',
    value: '7',
    activeAt: 5000,
    firedAt: 5000,
  }
  t.match(alert, expected)
  t.notOk(Object.hasOwn(alert?.labels ?? {}, 'gone'), 'an empty label is no label')
  t.equal(alert?.fingerprint, fingerprint(alert?.labels ?? {}))
})

const rulesFolder = join(packageRoot, 'alerts', 'rules')
const ruleFiles = readdirSync(rulesFolder)
  .filter((file) => file.endsWith('.yaml'))
  .map((file) => join(rulesFolder, file))
const testFolder = join(packageRoot, 'test', 'scenarios', 'alerts', 'promtool')
const promtoolTests = readdirSync(testFolder)
  .filter((file) => file.endsWith('.yaml'))
  .map((file) => join(testFolder, file))

t.test(
  'promtool accepts the rules that ship, and they do what their tests say',
  { skip: promtoolMissing },
  async (t) => {
    t.equal(checkRules(ruleFiles), undefined, 'check rules')
    t.ok(promtoolTests.length >= 3, `${promtoolTests.length} test files`)
    t.equal(testRules(promtoolTests), undefined, 'test rules')
  },
)

t.test('every alert that ships has what a person needs', async (t) => {
  const alerts = ruleFiles.flatMap((file) => {
    const { groups, faults } = parseRuleFile(parse(readFileSync(file, 'utf8')), file)
    t.same(faults, [], file)
    return groups.flatMap(({ rules }) => rules).filter((rule) => rule.kind === 'alert')
  })
  const runbooks = readdirSync(join(packageRoot, 'runbooks')).filter(
    (file) => file.endsWith('.md') && file !== 'README.md',
  )
  t.same(
    alerts.map(({ name }) => `${name}.md`).sort(),
    runbooks.sort(),
    'a runbook for each alert, an alert for each runbook',
  )
  for (const { name, labels, annotations } of alerts) {
    t.match(labels['severity'], /^(critical|warning|info)$/, `${name}: severity`)
    for (const key of ['summary', 'description', 'callward_impact', 'callward_cause'])
      t.ok((annotations[key] ?? '').length > 10, `${name}: ${key}`)
    t.equal(annotations['runbook_url'], `/runbooks/${name}`, `${name}: runbook_url`)
    t.match(
      annotations['dashboard_url'],
      /^\/d\/callward-((server|hardware)\?var-server=\{\{ \$labels\.server \}\}|fleet)$/,
      `${name}: dashboard_url`,
    )
  }
})
