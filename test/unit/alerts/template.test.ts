import t from 'tap'
import { stringify } from 'yaml'
import { asksQueries, expand, type Sample, templateFault } from '../../../alerts/template.ts'
import { promtoolMissing, testRuleTexts } from './promtool.ts'

const labels = { server: 'pbx one', address: 'pbx.bank.example:5060' }
const externalLabels = { region: 'north' }
const externalUrl = 'https://hub.bank.example/calls'

/** Series the queries of the texts look at, as promtool's test has them. */
const series: readonly (Sample & { readonly text: string })[] = [
  {
    labels: { __name__: 'trunk_up', trunk: 'b', site: 'hq' },
    value: 1,
    text: 'trunk_up{trunk="b", site="hq"}',
  },
  {
    labels: { __name__: 'trunk_up', trunk: 'a', site: 'hq' },
    value: 0,
    text: 'trunk_up{trunk="a", site="hq"}',
  },
  { labels: { __name__: 'calls', site: 'hq' }, value: 1234567, text: 'calls{site="hq"}' },
]
const answers: Readonly<Record<string, readonly Sample[]>> = {
  trunk_up: series.filter(({ labels }) => labels['__name__'] === 'trunk_up'),
  'sort(trunk_up)': [series[1]!, series[0]!],
  calls: [series[2]!],
  'calls{site="hq"}': [series[2]!],
  none: [],
  'vector(7)': [{ labels: {}, value: 7 }],
}
const query = (expr: string) => {
  const answer = answers[expr]
  if (answer === undefined) throw new Error(`no answer to ${expr}`)
  return answer
}

/** As the rule's results are: with the name of the metric, which no alert has. */
const dataOf = (value: number) => ({
  labels: { ...labels, __name__: 'x' },
  value,
  externalLabels,
  externalUrl,
  query,
})

const texts = [
  '{{ if gt $value 5.0 }}high{{ else if gt $value 1.0 }}middle{{ else }}low{{ end }}',
  '{{ if and (gt $value 1.0) (lt $value 9.0) }}within{{ else }}without{{ end }}',
  '{{ if or (eq $labels.server "x") (ne $labels.none "") }}a{{ else }}b{{ end }}{{ if not $labels.none }} no label{{ end }}',
  '{{ with $labels.server }}server {{ . }}{{ end }}{{ with $labels.none }}never{{ else }} none{{ end }}',
  '{{ range $name, $text := $labels }}{{ $name }}={{ $text }};{{ end }}',
  '{{ range query "sort(trunk_up)" }}{{ .Labels.trunk }}:{{ .Value }} {{ end }}',
  '{{ range $i, $trunk := query "sort(trunk_up)" }}{{ if $i }}, {{ end }}{{ $i }} {{ $trunk.Labels.trunk }}{{ end }}',
  '{{ range query "none" }}x{{ else }}nothing{{ end }}',
  '{{ with query "calls" }}{{ . | first | value | humanize }} calls{{ end }}',
  '{{ query "calls" | first | label "site" }} {{ query `calls{site="hq"}` | first | value }}',
  '{{ printf "calls{site=%q}" "hq" | query | first | value | printf "%.0f" }}',
  '{{ range query "trunk_up" | sortByLabel "trunk" }}{{ label "trunk" . }}{{ value . }}{{ end }}',
  '{{ query "vector(7)" | first | value }} {{ len (query "sort(trunk_up)") }}',
  '{{ $x := 3 }}{{ range query "sort(trunk_up)" }}{{ $x = .Value }}{{ end }}{{ $x }}',
  '{{ $n := "a" }}{{ if true }}{{ $n := "b" }}{{ $n }}{{ end }}{{ $n }}',
  '{{ define "one" }}<{{ . }}>{{ end }}{{ template "one" $labels.server }}{{ template "one" 5 }}',
  '{{ define "two" }}{{ .arg0 }}-{{ .arg1 }}{{ end }}{{ template "two" (args "a" 2) }} {{ template "two" (args 1 "b") }}',
  '{{ reReplaceAll "(.*)[.]bank.*" "$1!" $labels.address }} {{ reReplaceAll "p(?P<rest>b)x" "<$rest>" "pbx" }}',
  '{{ match "^pbx" $labels.address }} {{ if match "q" $labels.address }}y{{ else }}n{{ end }}',
  '{{ stripPort $labels.address }} {{ stripDomain $labels.address }} {{ stripDomain "10.1.2.3:80" }} {{ stripPort "a" }} {{ stripDomain "a.b" }}',
  '{{ $externalLabels.region }} {{ .ExternalLabels.region }} {{ $externalURL }} {{ .ExternalURL }}',
  '{{ graphLink "sum(up) > 1" }} {{ tableLink "a b" }}',
  '{{ parseDuration "1h30m" }} {{ parseDuration "1h30m" | humanizeDuration }} {{ toTime 1435065584 }}',
  '{{ 1234567 }} {{ 1234567.0 }} {{ printf "%d %x %v %t" 255 255 1000000 true }} {{ len "ab" }} {{ -5 }} {{ 0x10 }}',
  '{{ eq 1 1 }} {{ eq "a" "b" "a" }} {{ lt 1 2 }} {{ le 2.5 2.5 }} {{ ge "b" "a" }} {{ ne true false }} {{ not 0 }}',
  '{{ index $labels "server" | len }} {{ slice "abcdef" 1 3 }} {{ index "abc" 1 }} {{ print 1 2 "a" "b" 3 }} {{ println "x" }}',
  '{{ html "<a & b>" }} {{ urlquery "a b&c" }} {{ "x" | safeHtml }} {{ title "ab cd" }}',
  'a {{- if true -}} b {{- end }} c {{ if false }} d {{- end -}} e',
  '{{ range query "sort(trunk_up)" }}{{ if eq .Labels.trunk "b" }}{{ break }}{{ end }}{{ .Labels.trunk }}{{ continue }}never{{ end }}',
  "{{ 'a' }} {{ (query `calls` | first).Value }} {{ (index (query `calls`) 0).Labels.site }} {{ $.Value }} {{ with 1 }}{{ $.Labels.server }}{{ end }}",
  '{{ and 1 0 }} {{ or 0 "x" }}',
  '{{ block "named" $value }}({{ . }}){{ end }}',
  '{{ humanize "12345" }} {{ "1024" | humanize1024 }} {{ $labels }}',
]

t.test(
  'promtool writes the same texts: conditions, loops, variables, queries, functions',
  { skip: promtoolMissing },
  async (t) => {
    const values = [0, 3, 12.5]
    const shown = texts.filter((text) => !expand(text, dataOf(1)).startsWith('<error'))
    t.equal(shown.length, texts.length)
    const annotations = Object.fromEntries(shown.map((text, i) => [`a${i}`, text]))
    const rules = { groups: [{ name: 'g', rules: [{ alert: 'A', expr: 'x == x', annotations }] }] }
    const test = {
      rule_files: ['rules.yaml'],
      evaluation_interval: '1m',
      tests: values.map((value) => ({
        interval: '1m',
        external_labels: externalLabels,
        external_url: externalUrl,
        input_series: [
          {
            series: `x{server="${labels.server}", address="${labels.address}"}`,
            values: `${value}`,
          },
          ...series.map(({ text, value }) => ({ series: text, values: `${value}` })),
        ],
        alert_rule_test: [
          {
            eval_time: '0m',
            alertname: 'A',
            exp_alerts: [
              {
                exp_labels: labels,
                exp_annotations: Object.fromEntries(
                  shown.map((text, i) => [`a${i}`, expand(text, dataOf(value))]),
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

t.test('what is wrong in a template is named, by promtool and by us', async (t) => {
  const wrong: Record<string, RegExp> = {
    '{{ if $value }}x': /without \{\{end\}\}/,
    '{{ end }}': /unexpected \{\{end\}\}/,
    '{{ else }}': /unexpected \{\{else\}\}/,
    '{{ if }}x{{ end }}': /missing value/,
    '{{ range $a, $b, $c := query "up" }}{{ end }}': /unexpected|undefined/,
    '{{ break }}': /outside/,
    '{{ $x }}': /undefined variable "\$x"/,
    '{{ if true }}{{ $x := 1 }}{{ end }}{{ $x }}': /undefined variable/,
    '{{ $x = 1 }}': /undefined variable/,
    '{{ template "nobody" }}': /not defined/,
    '{{ template $value }}': /named by a text/,
    '{{ gt $value 5 }}': /incompatible types .*write a whole number with "\.0"/,
    '{{ query "none" | first | value | nofunction }}': /not defined/,
    '{{ $value.x }}': /can't evaluate field x/,
    '{{ nil }}': /nil is not a command/,
    '{{ 1 | 2 }}': /can't give argument/,
    '{{ index $labels 1 }}': /wrong type/,
    '{{ first "x" }}': /expected the results of query/,
    '{{ match "(" "x" }}': /regexp/,
    '{{ define "a" }}{{ template "a" }}{{ end }}{{ template "a" }}': /call each other/,
  }
  for (const [text, fault] of Object.entries(wrong)) {
    t.match(templateFault(text), fault, text)
    t.match(expand(text, dataOf(1)), /^<error expanding template: .+>$/, text)
  }
  t.match(expand(`{{ ${'('.repeat(60)}1${')'.repeat(60)} }}`, dataOf(1)), /more than 50/)
})

t.test('a fault is one whatever the labels and results are', async (t) => {
  for (const text of [
    '{{ $labels.limit | parseDuration | humanizeDuration }}',
    '{{ humanize $labels.count }}',
    '{{ query "anything" | first | value }}',
    '{{ range query "x" }}{{ .Labels.anything }}{{ end }}',
    '{{ $externalLabels.any }}',
  ])
    t.equal(templateFault(text), undefined, text)
  t.ok(asksQueries('{{ range query "up" }}{{ end }}'))
  t.notOk(asksQueries('query {{ $value }} of nothing'.replace('query ', '')))
})

t.test('the hub’s own address, which promtool has none of', async (t) => {
  t.equal(expand('{{ externalURL }} {{ pathPrefix }}', dataOf(1)), `${externalUrl} /calls`)
})

t.test('loops within loops and endless texts end', async (t) => {
  const many = Array.from({ length: 1000 }, (_, i) => ({ labels: { i: `${i}` }, value: i }))
  const loops = (inside: string) =>
    `{{ range query "m" }}{{ range query "m" }}{{ range query "m" }}${inside}{{ end }}{{ end }}{{ end }}`
  const data = { labels, value: 1, externalLabels, query: () => many }
  t.match(expand(loops(''), data), /^<error expanding template: more than 100000 steps/)
  t.match(expand(loops('a long text '.repeat(20)), data), /longer than 65536 characters/)
})
