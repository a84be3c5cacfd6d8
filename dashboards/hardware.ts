import { type Board, board } from './layer/board.ts'
import { badAbove, badBelow, colours, noJudgement, words } from './layer/fields.ts'
import { query } from './layer/panel.ts'
import { BarGauge, Stat, StateTimeline, Text, TimeSeries } from './layer/panels.ts'
import { chosenHosts, hostNames } from './selectors.ts'
import { fleetLink, headLinks, hostVariables, overlays, seriesHost, tag } from './shared.ts'

const S = chosenHosts
const perHost = hostNames
const growth = (metric: string, range: string) =>
  `sum by (${perHost}, device, serial) (increase(${metric}{${S}}[${range}]))`
/** A card has room for a few servers: those that most need somebody. */
const worst = (count: number, figures: string) => `topk(${count}, ${figures})`

const numbers = [
  new Stat(1, 'RAID disks missing', {
    description:
      'Disks that software RAID arrays lack. Above 0, the next failure may lose data. "no data": no software RAID here.',
    width: 4,
    unit: 'none',
    thresholds: badAbove({ bad: 1 }),
    links: [seriesHost, fleetLink],
    queries: [query(`sum by (${perHost}) (node_md_degraded{${S}})`, '{{server}}')],
  }),
  new Stat(2, 'Disks that say FAILED', {
    description:
      'Disks whose own verdict (SMART) is FAILED. PASSED is no proof of health: see bad sectors below. "no data": the timer callward-smart does not run.',
    width: 4,
    unit: 'none',
    thresholds: badAbove({ bad: 1 }),
    links: [seriesHost],
    queries: [query(`sum by (${perHost}) (1 - callward_disk_health_passed{${S}})`, '{{server}}')],
  }),
  new Stat(3, 'Bad sectors in a week', {
    description:
      'Reallocated sectors and media errors that came within 7 days, all disks of a server; the worst server of each. A disk that has begun usually goes on: replace it.',
    width: 4,
    unit: 'none',
    decimals: 0,
    thresholds: badAbove({ attention: 1, bad: 50 }),
    links: [seriesHost],
    queries: [
      query(
        worst(
          1,
          `sum by (${perHost}) (increase(callward_disk_reallocated_sectors_total{${S}}[7d]))`,
        ),
        '{{server}} reallocated',
      ),
      query(
        worst(1, `sum by (${perHost}) (increase(callward_disk_media_errors_total{${S}}[7d]))`),
        '{{server}} media',
      ),
    ],
  }),
  new Stat(4, 'Hottest against its limit', {
    description:
      'The sensor nearest to the temperature its chip calls critical, as a share of that limit in °C; the three hottest servers. Orange from 85 %, red from 100 %.',
    width: 4,
    unit: 'percentunit',
    decimals: 0,
    thresholds: badAbove({ attention: 0.85, bad: 1 }),
    links: [seriesHost],
    queries: [
      query(
        worst(
          3,
          `max by (${perHost}) (node_hwmon_temp_celsius{${S}} / (node_hwmon_temp_crit_celsius{${S}} > 0))`,
        ),
        '{{server}}',
      ),
    ],
  }),
  new Stat(5, 'Memory errors in a day', {
    description:
      'Memory errors within a day: uncorrected ones crash programs, corrected ones in number announce them; the worst server of each. "no data": no ECC memory, or its driver is not loaded.',
    width: 4,
    unit: 'none',
    decimals: 0,
    thresholds: badAbove({ attention: 1, bad: 100 }),
    links: [seriesHost],
    queries: [
      query(
        worst(1, `sum by (${perHost}) (increase(node_edac_uncorrectable_errors_total{${S}}[1d]))`),
        '{{server}} uncorrected',
      ),
      query(
        worst(1, `sum by (${perHost}) (increase(node_edac_correctable_errors_total{${S}}[1d]))`),
        '{{server}} corrected',
      ),
    ],
  }),
  new Stat(6, 'Bond links down', {
    description:
      'Links of bonded interfaces that are down. Calls go on over the others; the next failure cuts the server off.',
    width: 4,
    unit: 'none',
    thresholds: badAbove({ attention: 1 }),
    links: [seriesHost],
    queries: [
      query(
        `sum by (${perHost}) (node_bonding_slaves{${S}} - node_bonding_active{${S}})`,
        '{{server}}',
      ),
    ],
  }),
]

const disks = [
  new TimeSeries(7, 'Bad sectors by disk', {
    description:
      'Sectors a disk cannot read now (pending), and those the last scan could not read. Zero on a healthy disk; a slope is a disk that dies.',
    width: 12,
    unit: 'none',
    min: 0,
    thresholds: badAbove({ attention: 1 }),
    links: [seriesHost],
    queries: [
      query(
        `sum by (${perHost}, device, serial) (callward_disk_pending_sectors{${S}})`,
        '{{server}} {{device}} pending',
      ),
      query(
        `sum by (${perHost}, device, serial) (callward_disk_uncorrectable_sectors{${S}})`,
        '{{server}} {{device}} uncorrectable',
      ),
    ],
  }),
  new BarGauge(8, 'New in a week by disk', {
    description:
      'Reallocated sectors, errors a disk could not correct, and damaged transfers within 7 days, the three worst disks of each. Damaged transfers are the cable, the rest is the disk.',
    width: 12,
    unit: 'none',
    decimals: 0,
    min: 0,
    thresholds: badAbove({ attention: 1, bad: 50 }),
    links: [seriesHost],
    queries: [
      query(
        worst(3, growth('callward_disk_reallocated_sectors_total', '7d')),
        '{{server}} {{device}} reallocated',
      ),
      query(
        worst(3, growth('callward_disk_reported_errors_total', '7d')),
        '{{server}} {{device}} errors',
      ),
      query(
        worst(3, growth('callward_disk_interface_errors_total', '7d')),
        '{{server}} {{device}} transfers',
      ),
    ],
  }),
  new BarGauge(9, 'Wear of flash disks', {
    description:
      'Share of the writes a flash disk is made for that is used up. Orange from 80 %, red from 90 %; it may pass 100 %.',
    width: 8,
    unit: 'percentunit',
    decimals: 0,
    min: 0,
    max: 1,
    thresholds: badAbove({ attention: 0.8, bad: 0.9 }),
    links: [seriesHost],
    queries: [
      query(
        `max by (${perHost}, device) (callward_disk_used_ratio{${S}})`,
        '{{server}} {{device}}',
      ),
    ],
  }),
  new BarGauge(10, 'Spare blocks of NVMe disks', {
    description:
      'Spare blocks left. Red below 10 %, where most makers call the disk unsafe; orange below 30 %.',
    width: 8,
    unit: 'percentunit',
    decimals: 0,
    min: 0,
    max: 1,
    thresholds: badBelow({ attention: 0.3, bad: 0.1 }),
    links: [seriesHost],
    queries: [
      query(
        `min by (${perHost}, device) (callward_disk_spare_ratio{${S}})`,
        '{{server}} {{device}}',
      ),
    ],
  }),
  new TimeSeries(11, 'RAID in step', {
    description:
      'Share of an array that is in step. Below 1 it rebuilds, and has no reserve until it is done.',
    width: 8,
    unit: 'percentunit',
    min: 0,
    max: 1,
    thresholds: noJudgement(),
    links: [seriesHost],
    queries: [
      query(
        `min by (${perHost}, device) (node_md_blocks_synced{${S}} / (node_md_blocks{${S}} > 0))`,
        '{{server}} {{device}}',
      ),
    ],
  }),
]

const heat = [
  new TimeSeries(13, 'Fans', {
    description:
      'Turns a minute. A fan that falls to 0 while others speed up has stopped; a connector without a fan has always read 0.',
    width: 8,
    unit: 'rotrpm',
    min: 0,
    thresholds: noJudgement(),
    links: [seriesHost],
    queries: [
      query(
        `max by (${perHost}, chip, sensor) (node_hwmon_fan_rpm{${S}})`,
        '{{server}} {{chip}} {{sensor}}',
      ),
    ],
  }),
  new TimeSeries(14, 'CPU slowed down for heat', {
    description:
      'Times a second a CPU lowered its clock because it was too hot. Should be zero: calls that fit yesterday may not fit today.',
    width: 8,
    unit: 'none',
    min: 0,
    thresholds: badAbove({ attention: 0.01 }),
    links: [seriesHost],
    queries: [
      query(
        `sum by (${perHost}, package) (rate(node_cpu_package_throttles_total{${S}}[$__rate_interval]))`,
        '{{server}} CPU {{package}}',
      ),
    ],
  }),
  new TimeSeries(15, 'Power', {
    description:
      'Power the machine’s own meters read. "no data": it has none the kernel can ask; the BMC may.',
    width: 8,
    unit: 'watt',
    min: 0,
    thresholds: noJudgement(),
    links: [seriesHost],
    queries: [
      query(
        `sum by (${perHost}, chip, sensor) (node_hwmon_power_average_watt{${S}})`,
        '{{server}} {{chip}} {{sensor}}',
      ),
    ],
  }),
  new TimeSeries(12, 'Temperatures of $server', {
    description:
      'What the sensors of the server measure; a chart for each server chosen. Which is which: the sensor’s label in the legend of `sensors`, and the limits in row 1.',
    width: 24,
    repeat: { variable: 'server', mostInLine: 2 },
    unit: 'celsius',
    thresholds: noJudgement(),
    links: [seriesHost],
    queries: [
      query(
        `max by (${perHost}, chip, sensor) (node_hwmon_temp_celsius{${S}})`,
        '{{chip}} {{sensor}}',
      ),
      query(`max by (${perHost}, device) (callward_disk_temperature_celsius{${S}})`, '{{device}}'),
    ],
  }),
]

const links = [
  new TimeSeries(16, 'Link speed', {
    description:
      'What each interface agreed on with its switch, in bytes a second (1 Gbit/s is 125 MB/s). A step down is a bad cable or a changed port.',
    width: 12,
    unit: 'Bps',
    min: 0,
    thresholds: noJudgement(),
    links: [seriesHost],
    queries: [
      query(
        `max by (${perHost}, device) (node_network_speed_bytes{${S}})`,
        '{{server}} {{device}}',
      ),
    ],
  }),
  new StateTimeline(17, 'Links of bonds', {
    description:
      'Whether each member of a bonded interface is up. Both must be: with one down there is no reserve.',
    width: 12,
    unit: 'none',
    thresholds: noJudgement(),
    links: [seriesHost],
    mappings: [words({ '0': ['down', colours.bad], '1': ['up', colours.good] })],
    queries: [
      query(
        `min by (${perHost}, master, device) (callward_bonding_member_up{${S}})`,
        '{{server}} {{master}} {{device}}',
      ),
    ],
  }),
]

const purpose = new Text(
  18,
  'What this board answers',
  '**Which part is about to fail?** For who keeps the machines. Growth counts more than a verdict: a disk may say PASSED while it loses sectors each day. ' +
    '"no data" means that the collector sees nothing of it, not that it is well; board Server, row Clock and collector, says why.',
  { width: 24, height: 3 },
)

/** "Which part is about to fail?" Disks, RAID, memory, heat, links. `hubUrl` is where people reach the console. */
export function hardwareBoard(hubUrl: string): Board {
  return board({
    number: 12,
    slug: 'hardware',
    title: 'Callward / Hardware',
    description: 'Which part is about to fail? Disks, RAID, memory, temperatures, fans and links.',
    tags: [tag, 'host'],
    from: 'now-7d',
    refresh: '5m',
    variables: hostVariables(hubUrl, true),
    annotations: overlays,
    links: headLinks,
    rows: [
      { panels: [...numbers, purpose] },
      { number: 80, title: 'Disks', panels: disks },
      { number: 81, title: 'Heat', folded: true, panels: heat },
      { number: 82, title: 'Links', folded: true, panels: links },
    ],
  })
}
