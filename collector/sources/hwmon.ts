import { readdirSync, realpathSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { type Metric, metric, type Roots, type Source, seen, unseen } from '../source.ts'
import type { Labels, Millis } from '../wire/frames.ts'
import { sensorFigure } from './hwmon-names.ts'
import { atMostEvery, listFolder, minute, readAttribute } from './sysfs.ts'

/** Sensor files read of one host; a large server has about 300. */
const filesLimit = 2000
/** Chips whose figures the kernel asks of the device itself, which may sleep or hang. */
const slowChips = new Set(['drivetemp', 'nvme'])
/** A chip that took longer than this in so many ticks one after the other is read as a slow one from then on. */
const lateMilliseconds = 5
const lateLimit = 3
/** A slow chip's last figures stand for so long; after that they are missing. */
const slowAge: Millis = 3 * minute

interface SensorFile {
  readonly path: string
  readonly name: string
  readonly factor: number
  readonly labels: Labels
}

interface Chip {
  readonly label: string
  readonly slow: boolean
  /** Names, labels and limits: read once a minute. */
  readonly fixed: readonly Metric[]
  /** Figures that move. */
  readonly live: readonly SensorFile[]
}

/**
 * /sys/class/hwmon (kernel's hwmon/sysfs-interface.rst): temperatures, fans, voltages, power, with alarms and limits.
 * Names: node_exporter `hwmon`. Chips that ask a disk are read beside the tick, once a minute, one after the other.
 */
export function hwmonSource(roots: Roots): Source {
  const folder = join(roots.sys, 'class/hwmon')
  const chips = atMostEvery(minute, () => findChips(folder))
  const slow = slowReader()
  const lateTicks = new Map<string, number>()
  const lateOf = (chip: Chip) => lateTicks.get(chip.label) ?? 0
  return {
    name: 'hwmon',
    async read(now) {
      const found = chips(now)
      if (found.length === 0)
        return unseen(
          'absent',
          `${folder} has no sensors; sensors-detect (lm-sensors) names the driver to load`,
        )
      const metrics: Metric[] = []
      const faults: string[] = []
      const waiting: SensorFile[] = []
      for (const chip of found) {
        metrics.push(...chip.fixed)
        if (chip.slow || lateOf(chip) >= lateLimit) waiting.push(...chip.live)
        else lateTicks.set(chip.label, readChip(chip, metrics, faults) ? lateOf(chip) + 1 : 0)
      }
      slow(waiting, now, metrics, faults)
      if (faults.length === 0) return seen(metrics)
      return { state: 'error', detail: faults.join('; ').slice(0, 300), metrics }
    },
  }
}

/** Whether the chip held up the tick. */
function readChip(chip: Chip, metrics: Metric[], faults: string[]): boolean {
  const started = performance.now()
  for (const file of chip.live) addReading(file, metrics, faults)
  return performance.now() - started > lateMilliseconds
}

function addReading(file: SensorFile, metrics: Metric[], faults: string[]): void {
  try {
    addValue(file, readAttribute(file.path), metrics)
  } catch (error) {
    faults.push(error instanceof Error ? error.message : String(error))
  }
}

function addValue(file: SensorFile, text: string | undefined, metrics: Metric[]): void {
  const value = text === undefined || text === '' ? Number.NaN : Number(text)
  if (Number.isFinite(value)) metrics.push(metric(file.name, value * file.factor, file.labels))
}

/** Reads in the thread pool, one file at a time, so that a disk that hangs holds one thread and not the tick. */
function slowReader() {
  let reading = false
  let startedAt = Number.NEGATIVE_INFINITY
  let last: { readonly at: Millis; readonly metrics: readonly Metric[] } | undefined
  const readAll = async (files: readonly SensorFile[], now: Millis) => {
    const metrics: Metric[] = []
    for (const file of files)
      addValue(file, await readFile(file.path, 'utf8').catch(() => undefined), metrics)
    last = { at: now, metrics }
    reading = false
  }
  return (files: readonly SensorFile[], now: Millis, metrics: Metric[], faults: string[]) => {
    if (files.length === 0) return
    if (!reading && Math.abs(now - startedAt) >= minute) {
      reading = true
      startedAt = now
      void readAll(files, now)
    }
    if (last !== undefined && Math.abs(now - last.at) < slowAge) metrics.push(...last.metrics)
    else if (Math.abs(now - startedAt) >= slowAge) faults.push(`${files[0]!.path} does not answer`)
  }
}

function findChips(folder: string): Chip[] {
  const chips: Chip[] = []
  let files = 0
  for (const name of listFolder(folder, /^hwmon\d+$/)) {
    const chip = findChip(join(folder, name), filesLimit - files)
    if (chip === undefined) continue
    files += chip.fixed.length + chip.live.length
    chips.push(chip)
  }
  return chips
}

/** Live elements: the figure itself, its alarms and faults. All others are limits and settings. */
const liveElement = /^(|input|average|fault|(.*_)?alarm)$/

function findChip(folder: string, most: number): Chip | undefined {
  const chip = chipLabel(folder)
  const human = cleanName(readAttribute(join(folder, 'name')) ?? '')
  const sensors = sensorFiles(folder)
  if (sensors.size === 0) return undefined
  const fixed: Metric[] = []
  const live: SensorFile[] = []
  if (human !== '') fixed.push(metric('node_hwmon_chip_names', 1, { chip, chip_name: human }))
  for (const [sensor, elements] of sensors) {
    for (const [element, path] of elements) {
      if (fixed.length + live.length >= most) break
      if (element === 'label') {
        const label = (readAttribute(path) ?? '').slice(0, 128)
        if (label !== '') fixed.push(metric('node_hwmon_sensor_label', 1, { chip, label, sensor }))
        continue
      }
      const figure = sensorFigure(sensor.replace(/\d+$/, ''), element, elements.has(''))
      const file = { path, ...figure, labels: { chip, sensor } }
      if (liveElement.test(element)) live.push(file)
      else addReading(file, fixed, [])
    }
  }
  return { label: chip, slow: slowChips.has(human), fixed, live }
}

const sensorPattern =
  /^(vrm|beep_enable|update_interval|in|cpu|fan|pwm|temp|curr|power|energy|humidity|intrusion)(\d*)(?:_(.+))?$/

/** Path by element by sensor. Old drivers have their files in the device's folder. */
function sensorFiles(folder: string): Map<string, Map<string, string>> {
  const sensors = new Map<string, Map<string, string>>()
  for (const place of [folder, join(folder, 'device')]) {
    for (const name of filesOf(place)) {
      const match = sensorPattern.exec(name)
      if (match === null) continue
      const sensor = `${match[1]}${Number(match[2] ?? 0)}`
      const elements = sensors.get(sensor) ?? new Map<string, string>()
      sensors.set(sensor, elements.set(match[3] ?? '', join(place, name)))
    }
  }
  return sensors
}

function filesOf(folder: string): string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true })
    return entries.filter((entry) => entry.isFile()).map((entry) => entry.name)
  } catch {
    return [] // no device folder: the usual case of virtual chips
  }
}

/** As node_exporter names a chip: by its device, whose place is stable, where hwmon3 is not. */
function chipLabel(folder: string): string {
  try {
    const device = realpathSync(join(folder, 'device'))
    const [type, name] = [cleanName(basename(dirname(device))), cleanName(basename(device))]
    if (name !== '') return type === '' ? name : `${type}_${name}`
  } catch {
    // No device: a virtual chip.
  }
  const own = cleanName(readAttribute(join(folder, 'name')) ?? '')
  return own === '' ? cleanName(basename(realpathSync(folder))) : own
}

function cleanName(text: string): string {
  return text
    .trim()
    .toLowerCase()
    .replace(/[^a-z0-9:_]/g, '_')
    .replace(/^_+|_+$/g, '')
}
