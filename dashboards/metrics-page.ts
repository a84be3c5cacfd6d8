import { hostLabels, type Metric, metricCatalogue } from './catalogue.ts'

/** docs/metrics.md, written from the catalogue. */
export function metricsPage(): string {
  const stored = metricCatalogue.filter(
    ({ own, waitsFor }) => own !== true && waitsFor === undefined,
  )
  const sections = [
    [
      'The host',
      'Under node_exporter’s names and meanings, so that boards and rules made for it work unchanged. Which `node_memory_*` and `node_sockstat_*` there are depends on the kernel.',
      stored.filter(
        ({ from }) => from.startsWith('collector: ') && !own(from) && from !== 'collector: backups',
      ),
    ],
    [
      'The collector',
      'What each collector says about itself.',
      stored.filter(({ from }) => own(from)),
    ],
    [
      'Backups',
      'Of each backup job in the collector’s file; see docs/backups-and-drills.md.',
      stored.filter(({ from }) => from === 'collector: backups'),
    ],
    [
      'The hub about its hosts',
      'Stored beside the hosts’ own series.',
      stored.filter(({ from }) => from.startsWith('hub: ')),
    ],
    [
      'The hub about itself',
      'At `/metrics`, for any Prometheus, without the labels above. The hub also stores them every 10 s with labels of its own (`job="callward-hub"`). More of Node’s own figures stand at `/metrics` besides.',
      metricCatalogue.filter((metric) => metric.own === true),
    ],
    [
      'Not emitted yet',
      'Their names are fixed, so that boards and rules may be written. Nothing reports them today; the panels that ask for them say so.',
      metricCatalogue.filter(({ waitsFor }) => waitsFor !== undefined),
    ],
  ] as const
  return [
    '# Metrics',
    '',
    '<!-- Written from dashboards/catalogue.ts by `npm run boards`. Change it there. -->',
    '',
    `Every stored series has the labels ${hostLabels.slice(0, -1).map(code).join(', ')}; series of the demo have \`simulated="true"\` too.`,
    'Further labels stand in the tables.',
    ...sections.flatMap(([title, text, metrics]) => [
      '',
      `## ${title}`,
      '',
      text,
      '',
      ...table(metrics),
    ]),
    '',
  ].join('\n')
}

/** The parts of the collector that are not sources of host figures. */
function own(from: string): boolean {
  return from === 'collector: agent' || from === 'collector: session'
}

function table(metrics: readonly Metric[]): string[] {
  const rows = metrics.map(({ name, type, unit, labels, from, help }) => {
    const source = from.slice(from.indexOf(' ') + 1)
    return `| ${[code(name), type, unit, labels.map(code).join(', '), source, help].join(' | ')} |`
  })
  return ['| Name | Type | Unit | Labels | From | Meaning |', '|---|---|---|---|---|---|', ...rows]
}

function code(text: string): string {
  return `\`${text}\``
}
