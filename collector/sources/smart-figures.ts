import { type Metric, metric } from '../source.ts'
import type { Labels, Millis } from '../wire/frames.ts'

type Json = Readonly<Record<string, unknown>>

const secondsPerHour = 3600
const zeroCelsiusKelvin = 273

/** ATA attributes by number (smartctl's drivedb.h): what grows when a disk dies. The raw value is the count. */
const ataCounts: Readonly<Record<number, string>> = {
  5: 'callward_disk_reallocated_sectors_total',
  187: 'callward_disk_reported_errors_total',
  197: 'callward_disk_pending_sectors',
  198: 'callward_disk_uncorrectable_sectors',
  199: 'callward_disk_interface_errors_total',
}
/** Some vendors pack further figures above the count (drivedb.h, raw48 as raw16): the count is the lower half. */
const countBits = 2 ** 32

/**
 * Figures of one disk from `smartctl --json --all` (7.x) or `nvme smart-log --output-format=json`. `disk` is the kernel's name of it
 * (`sda`), `readAt` when root asked it. Throws where the disk did not answer: no answer must not look healthy.
 */
export function diskMetrics(disk: string, content: unknown, readAt: Millis): Metric[] {
  const report = object(content)
  const read = metric('callward_disk_reading_timestamp_seconds', readAt / 1000, { device: disk })
  if (report['smartctl'] !== undefined) return [read, ...smartctlMetrics(disk, report)]
  if (
    count(report['critical_warning']) !== undefined ||
    count(report['percent_used']) !== undefined
  )
    return [read, ...nvmeMetrics({ device: disk }, nvmeCliLog(report))]
  throw new Error('neither of smartctl nor of nvme smart-log')
}

/** Bits of smartctl's exit status (man 8 smartctl): the command line was wrong, the disk could not be opened, a command to it failed. */
const [wrongCommand, notOpened] = [1, 2]

function smartctlMetrics(device: string, report: Json): Metric[] {
  const status = count(object(report['smartctl'])['exit_status'])
  if (status === undefined) throw new Error('no exit status of smartctl')
  if ((status & (wrongCommand | notOpened)) !== 0) throw new Error(messageOf(report, status))
  const serial = text(report['serial_number'])
  // With the serial number: after a restart another disk may be sda, and its counts are not this one's growth.
  const labels = { device, serial }
  const available = object(report['smart_support'])['available'] !== false
  const offers = metric('callward_disk_smart_available', available ? 1 : 0, labels)
  if (!available) return [offers] // a volume of a RAID controller, an emulated disk
  const passed = object(report['smart_status'])['passed']
  if (typeof passed !== 'boolean') throw new Error('the disk tells no SMART health')
  const metrics = [
    offers,
    metric('callward_disk_info', 1, identity(device, report)),
    metric('callward_disk_health_passed', passed ? 1 : 0, labels),
  ]
  const add = (name: string, value: number | undefined, factor = 1) => {
    if (value !== undefined) metrics.push(metric(name, value * factor, labels))
  }
  const log = object(report['nvme_smart_health_information_log'])
  const isNvme = Object.keys(log).length > 0
  if (isNvme) metrics.push(...nvmeMetrics(labels, log))
  else {
    add(
      'callward_disk_power_on_seconds_total',
      count(object(report['power_on_time'])['hours']),
      secondsPerHour,
    )
    add('callward_disk_temperature_celsius', count(object(report['temperature'])['current']))
    add(
      'callward_disk_used_ratio',
      count(object(report['endurance_used'])['current_percent']),
      0.01,
    )
  }
  metrics.push(...ataMetrics(labels, report), ...scsiMetrics(labels, report))
  return metrics
}

function identity(device: string, report: Json): Labels {
  return {
    device,
    model: text(report['model_name']) || text(report['scsi_model_name']),
    serial: text(report['serial_number']),
    firmware: text(report['firmware_version']),
    protocol: text(object(report['device'])['protocol']),
  }
}

function ataMetrics(labels: Labels, report: Json): Metric[] {
  const metrics: Metric[] = []
  for (const row of list(object(report['ata_smart_attributes'])['table'])) {
    const { id, raw } = object(row)
    const name = ataCounts[count(id) ?? -1]
    const value = count(object(raw)['value'])
    if (name !== undefined && value !== undefined)
      metrics.push(metric(name, value % countBits, labels))
  }
  const errors = count(object(object(report['ata_smart_error_log'])['summary'])['count'])
  if (errors !== undefined)
    metrics.push(metric('callward_disk_logged_errors_total', errors, labels))
  const tests = object(object(report['ata_smart_self_test_log'])['standard'])
  const failed = count(tests['error_count_total'])
  if (failed !== undefined) metrics.push(metric('callward_disk_self_tests_failed', failed, labels))
  return metrics
}

function scsiMetrics(labels: Labels, report: Json): Metric[] {
  const metrics: Metric[] = []
  const grown = count(report['scsi_grown_defect_list'])
  if (grown !== undefined)
    metrics.push(metric('callward_disk_reallocated_sectors_total', grown, labels))
  const log = object(report['scsi_error_counter_log'])
  const errors = ['read', 'write', 'verify']
    .map((what) => count(object(log[what])['total_uncorrected_errors']))
    .filter((value) => value !== undefined)
  if (errors.length > 0) {
    const sum = errors.reduce((a, b) => a + b, 0)
    metrics.push(metric('callward_disk_reported_errors_total', sum, labels))
  }
  return metrics
}

/** The SMART / Health Information log (NVM Express Base Specification, log page 02h), in smartctl's words. */
function nvmeMetrics(labels: Labels, log: Json): Metric[] {
  const rows = [
    ['critical_warning', 'callward_disk_critical_warning', 1],
    ['available_spare', 'callward_disk_spare_ratio', 0.01],
    ['available_spare_threshold', 'callward_disk_spare_threshold_ratio', 0.01],
    ['percentage_used', 'callward_disk_used_ratio', 0.01],
    ['media_errors', 'callward_disk_media_errors_total', 1],
    ['num_err_log_entries', 'callward_disk_logged_errors_total', 1],
    ['unsafe_shutdowns', 'callward_disk_unsafe_shutdowns_total', 1],
    ['power_on_hours', 'callward_disk_power_on_seconds_total', secondsPerHour],
    ['temperature', 'callward_disk_temperature_celsius', 1],
  ] as const
  const metrics: Metric[] = []
  for (const [field, name, factor] of rows) {
    const value = count(log[field])
    if (value === undefined && field === 'critical_warning')
      throw new Error('the disk tells no critical_warning')
    if (value !== undefined) metrics.push(metric(name, value * factor, labels))
  }
  return metrics
}

/** nvme-cli's other words; its temperature is in kelvin, its critical warning an object since 2.0. */
function nvmeCliLog(report: Json): Json {
  const kelvin = count(report['temperature'])
  const warning = report['critical_warning']
  return {
    ...report,
    critical_warning: count(warning) ?? count(object(warning)['value']),
    available_spare: report['avail_spare'],
    available_spare_threshold: report['spare_thresh'],
    percentage_used: report['percent_used'] ?? report['percentage_used'],
    ...(kelvin === undefined ? {} : { temperature: kelvin - zeroCelsiusKelvin }),
  }
}

function messageOf(report: Json, status: number): string {
  const first = object(list(object(report['smartctl'])['messages'])[0])['string']
  return typeof first === 'string' ? first.slice(0, 120) : `smartctl ended with status ${status}`
}

function text(value: unknown): string {
  return typeof value === 'string' ? value.replaceAll(/\p{Cc}/gu, ' ').slice(0, 128) : ''
}

function object(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {}
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value.slice(0, 256) : []
}

/** A number from 0 up; nvme-cli writes those over 53 bits as text. */
function count(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value
  return typeof number === 'number' && Number.isFinite(number) && number >= 0 ? number : undefined
}
