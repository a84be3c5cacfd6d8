import { badAbove, colours, noJudgement, words } from './layer/fields.ts'
import { query } from './layer/panel.ts'
import { StateTimeline, TimeSeries } from './layer/panels.ts'
import { chosenHosts, hostNames } from './selectors.ts'
import { seriesHost } from './shared.ts'

const S = chosenHosts
const RI = '$__rate_interval'

/** Panels 60 to 67 of the Server board: what runs on the host, and whether its clock follows a source. */
export const servicesAndTime = [
  new StateTimeline(60, 'Services', {
    description:
      'Whether a process of each service runs. Those named in the collector’s file, those it knows and has seen here, those systemd starts at boot.',
    width: 12,
    unit: 'none',
    thresholds: noJudgement(),
    links: [seriesHost],
    mappings: [words({ '0': ['down', colours.bad], '1': ['up', colours.good] })],
    queries: [query(`max by (${hostNames}, service) (callward_service_up{${S}})`, '{{service}}')],
  }),
  new TimeSeries(61, 'Services: restarts', {
    description:
      'Times the main process of a service was replaced. Each cut what the service carried at that moment.',
    width: 12,
    unit: 'none',
    decimals: 0,
    min: 0,
    thresholds: badAbove({ attention: 1, bad: 3 }),
    links: [seriesHost],
    queries: [
      query(
        `sum by (${hostNames}, service) (increase(callward_service_restarts_total{${S}}[${RI}]))`,
        '{{server}} {{service}}',
      ),
    ],
  }),
  new TimeSeries(62, 'Services: CPU', {
    description:
      'CPUs each service keeps busy; 1 is one whole core. A single-threaded SIP process stops at 1.',
    width: 8,
    unit: 'none',
    decimals: 2,
    axis: 'cores',
    min: 0,
    links: [seriesHost],
    queries: [
      query(
        `sum by (${hostNames}, service) (rate(callward_service_cpu_seconds_total{${S}}[${RI}]))`,
        '{{server}} {{service}}',
      ),
    ],
  }),
  new TimeSeries(63, 'Services: memory', {
    description:
      'Memory the processes of each service hold. What processes share counts once for each, so a database looks larger than it is. Only growing: a leak.',
    width: 8,
    unit: 'bytes',
    min: 0,
    links: [seriesHost],
    queries: [
      query(
        `sum by (${hostNames}, service) (callward_service_resident_memory_bytes{${S}})`,
        '{{server}} {{service}}',
      ),
    ],
  }),
  new TimeSeries(64, 'Services: open files', {
    description:
      'Share of the open files a process of the service may have. At 100 % new calls fail. Orange from 80 %, red from 95 %.',
    width: 8,
    unit: 'percentunit',
    min: 0,
    thresholds: badAbove({ attention: 0.8, bad: 0.95 }),
    links: [seriesHost],
    queries: [
      query(
        `max by (${hostNames}, service) (callward_service_open_files{${S}} / (callward_service_open_files_limit{${S}} > 0))`,
        '{{server}} {{service}}',
      ),
    ],
  }),
  new TimeSeries(65, 'UDP drops by port', {
    description:
      'Datagrams a second each port lost because its program did not read them in time: SIP at 5060, audio in the ranges. Should be zero. Red from one a second.',
    width: 12,
    unit: 'none',
    axis: 'packets a second',
    min: 0,
    thresholds: badAbove({ attention: 0.1, bad: 1 }),
    links: [seriesHost],
    queries: [
      query(
        `sum by (${hostNames}, port, service) (rate(callward_udp_socket_drops_total{${S}}[${RI}]))`,
        '{{server}} {{port}} {{service}}',
      ),
    ],
  }),
  new StateTimeline(66, 'Time source', {
    description:
      'Whether the clock follows a time source, by the word of the time service. A clock that follows only itself counts as none.',
    width: 6,
    unit: 'none',
    thresholds: noJudgement(),
    links: [seriesHost],
    mappings: [words({ '0': ['none', colours.bad], '1': ['followed', colours.good] })],
    queries: [
      query(
        `max by (${hostNames}, daemon) (callward_ntp_synchronised{${S}})`,
        '{{server}} {{daemon}}',
      ),
    ],
  }),
  new TimeSeries(67, 'Offset from the time source', {
    description:
      'The clock minus the true time, as the time service finds it. Under a few milliseconds on a good network; 100 ms deserves a look.',
    width: 6,
    unit: 's',
    links: [seriesHost],
    queries: [query(`max by (${hostNames}) (callward_ntp_offset_seconds{${S}})`, '{{server}}')],
  }),
]
