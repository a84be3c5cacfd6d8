import type { Systeminformation } from 'systeminformation'
import type { Section, SectionState } from '../wire/frames.ts'
import type { Findings, Survey } from './survey.ts'

/** Loaded by the child process alone: the collector itself stays small. */
const library = () => import('systeminformation')

/** Said in place of a value the machine does not tell. */
export const unknownValue = 'unknown'
/** Said in place of a value only root may read. */
export const deniedValue = 'denied: needs root'

/** Hardware and operating system, hourly. */
export const inventorySurvey: Survey = {
  name: 'inventory',
  everyMilliseconds: 3_600_000,
  // Seven parts, each with its own limit.
  limitMilliseconds: 120_000,
  take: () => takeInventory(process.getuid?.() === 0),
}

/** One part of the hardware; the library asks a handful of programs for each. */
const partMilliseconds = 15_000

/** Reads one part; undefined, and a fault noted, when it fails or takes too long. */
type Ask = <T>(name: string, read: () => Promise<T>) => Promise<T | undefined>

async function takeInventory(isRoot: boolean): Promise<Findings> {
  const faults: string[] = []
  const ask = askNoting(faults, partMilliseconds)
  const documents = { hardware: await hardware(isRoot, ask), os: await operatingSystem(ask) }
  return { sections: [sectionOf(faults, isRoot)], documents, metrics: [] }
}

/** What fails is noted in `faults` by its name, and so is what gives no answer in time: a disk that hangs takes no other part with it. */
export function askNoting(faults: string[], milliseconds: number): Ask {
  return async (name, read) => {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      const message = `no answer within ${milliseconds / 1000} s`
      timer = setTimeout(() => reject(new Error(message)), milliseconds)
    })
    try {
      return await Promise.race([read(), late])
    } catch (error) {
      faults.push(`${name}: ${error instanceof Error ? error.message : String(error)}`)
      return undefined
    } finally {
      clearTimeout(timer)
    }
  }
}

function sectionOf(faults: readonly string[], isRoot: boolean): Section {
  const of = (state: SectionState, detail: string): Section => ({
    name: 'inventory',
    state,
    detail,
  })
  if (faults.length > 0) return of('error', faults.join('; '))
  if (isRoot) return of('ok', '')
  return of('denied', 'serial numbers, memory modules and disk health need root; the rest is seen')
}

/** An empty or missing value says so; `rootOnly` values say why. */
function told(value: unknown, deniedHere = false): unknown {
  const empty = value === undefined || value === null || value === '' || value === 'Not Specified'
  if (empty || value === '-') return deniedHere ? deniedValue : unknownValue
  return value
}

async function hardware(isRoot: boolean, ask: Ask): Promise<unknown> {
  const si = await library()
  const denied = !isRoot
  const system = await ask('system', () => si.system())
  const board = await ask('board', () => si.baseboard())
  const bios = await ask('bios', () => si.bios())
  const cpu = await ask('cpu', () => si.cpu())
  const memory = await ask('memory modules', () => si.memLayout())
  const disks = await ask('disks', () => si.diskLayout())
  return {
    system: {
      manufacturer: told(system?.manufacturer),
      model: told(system?.model),
      serial: told(system?.serial, denied),
      virtual: told(system?.virtual),
    },
    board: { manufacturer: told(board?.manufacturer), model: told(board?.model) },
    bios: {
      vendor: told(bios?.vendor),
      version: told(bios?.version),
      released: told(bios?.releaseDate),
    },
    cpu: {
      manufacturer: told(cpu?.manufacturer),
      brand: told(cpu?.brand),
      cores: told(cpu?.cores),
      physicalCores: told(cpu?.physicalCores),
      sockets: told(cpu?.processors),
    },
    memoryModules: denied ? deniedValue : (memory?.map(memoryModule) ?? unknownValue),
    disks: disks?.map((one) => disk(one, denied)) ?? unknownValue,
  }
}

function memoryModule(one: Systeminformation.MemLayoutData) {
  return {
    bytes: one.size,
    type: told(one.type),
    slot: told(one.bank),
    manufacturer: told(one.manufacturer),
    errorCorrecting: one.ecc ?? unknownValue,
  }
}

function disk(one: Systeminformation.DiskLayoutData, denied: boolean) {
  return {
    device: told(one.device),
    type: told(one.type),
    vendor: told(one.vendor),
    model: told(one.name),
    bytes: one.size,
    firmware: told(one.firmwareRevision, denied),
    health: told(one.smartStatus === 'unknown' ? '' : one.smartStatus, denied),
  }
}

async function operatingSystem(ask: Ask): Promise<unknown> {
  const si = await library()
  const os = await ask('os', () => si.osInfo())
  return {
    platform: told(os?.platform),
    distribution: told(os?.distro),
    release: told(os?.release),
    codename: told(os?.codename),
    kernel: told(os?.kernel),
    architecture: told(os?.arch),
    hostname: told(os?.hostname),
    firmware: os?.uefi === true ? 'uefi' : os?.uefi === false ? 'bios' : unknownValue,
  }
}
