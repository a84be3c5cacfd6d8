import { badAbove, badBelow, colours, wordFrom, words } from './layer/fields.ts'
import { query } from './layer/panel.ts'
import { BarGauge, Stat, TimeSeries } from './layer/panels.ts'
import { chosenHosts, hostNames } from './selectors.ts'
import { seriesHost } from './shared.ts'

const S = chosenHosts
const yearsDays = 365

/** Row "Software" of the Server board. */
export const softwarePanels = [
  new BarGauge(70, 'Certificates: days left', {
    description:
      'Days until each certificate ends, by file or port. Red below 7 (and below zero: it has ended), orange below 30. Only those the collector’s software survey may read.',
    width: 12,
    unit: 'd',
    decimals: 0,
    min: 0,
    max: 90,
    thresholds: badBelow({ attention: 30, bad: 7 }, -100_000),
    links: [seriesHost],
    mappings: [wordFrom(yearsDays, 'over a year', colours.good)],
    queries: [
      query(
        `sort(min by (${hostNames}, path, index) ((callward_certificate_not_after_timestamp_seconds{${S}} - time()) / 86400))`,
        '{{server}} {{path}} {{index}}',
      ),
    ],
  }),
  new TimeSeries(71, 'Updates that wait', {
    description:
      'Updates the host’s own package lists offer and that are not installed. Security updates should be gone within days. Absent where the lists cannot be read.',
    width: 12,
    unit: 'none',
    axis: 'packages',
    min: 0,
    links: [seriesHost],
    queries: [
      query(
        `max by (${hostNames}) (callward_software_updates_pending{security="true",${S}})`,
        '{{server}} security',
      ),
      query(
        `max by (${hostNames}) (callward_software_updates_pending{security="false",${S}})`,
        '{{server}} others',
      ),
    ],
  }),
  new Stat(72, 'Waits for a reboot', {
    description: 'Whether an update takes effect only with a reboot. The console says why.',
    width: 6,
    unit: 'none',
    thresholds: badAbove({ attention: 1 }),
    links: [seriesHost],
    mappings: [words({ '0': ['no', colours.good], '1': ['yes', colours.attention] })],
    queries: [query(`max by (${hostNames}) (callward_reboot_required{${S}})`, '{{server}}')],
  }),
  new Stat(73, 'Services to restart', {
    description:
      'Running services whose program was replaced on the disk since they started. The console names them.',
    width: 6,
    unit: 'none',
    thresholds: badAbove({ attention: 1 }),
    links: [seriesHost],
    queries: [query(`sum by (${hostNames}) (callward_process_outdated{${S}})`, '{{server}}')],
  }),
]
