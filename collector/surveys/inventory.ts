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
  limitMilliseconds: 60_000,
  take: () => takeInventory(process.getuid?.() === 0),
}

async function takeInventory(isRoot: boolean): Promise<Findings> {
  const faults: string[] = []
  const part = async (name: string, read: () => Promise<unknown>) => {
    try {
      return await read()
    } catch (error) {
      faults.push(`${name}: ${error instanceof Error ? error.message : String(error)}`)
      return unknownValue
    }
  }
  const documents = {
    hardware: await part('hardware', () => hardware(isRoot)),
    os: await part('os', operatingSystem),
  }
  return { sections: [sectionOf(faults, isRoot)], documents, metrics: [] }
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

async function hardware(isRoot: boolean): Promise<unknown> {
  const si = await library()
  const denied = !isRoot
  const system = await si.system()
  const board = await si.baseboard()
  const bios = await si.bios()
  const cpu = await si.cpu()
  const memory = await si.memLayout()
  const disks = await si.diskLayout()
  return {
    system: {
      manufacturer: told(system.manufacturer),
      model: told(system.model),
      serial: told(system.serial, denied),
      virtual: system.virtual,
    },
    board: { manufacturer: told(board.manufacturer), model: told(board.model) },
    bios: {
      vendor: told(bios.vendor),
      version: told(bios.version),
      released: told(bios.releaseDate),
    },
    cpu: {
      manufacturer: told(cpu.manufacturer),
      brand: told(cpu.brand),
      cores: cpu.cores,
      physicalCores: cpu.physicalCores,
      sockets: told(cpu.processors),
    },
    memoryModules: denied
      ? deniedValue
      : memory.map((one) => ({
          bytes: one.size,
          type: told(one.type),
          slot: told(one.bank),
          manufacturer: told(one.manufacturer),
          errorCorrecting: one.ecc ?? unknownValue,
        })),
    disks: disks.map((one) => ({
      device: told(one.device),
      type: told(one.type),
      vendor: told(one.vendor),
      model: told(one.name),
      bytes: one.size,
      firmware: told(one.firmwareRevision, denied),
      health: told(one.smartStatus === 'unknown' ? '' : one.smartStatus, denied),
    })),
  }
}

async function operatingSystem(): Promise<unknown> {
  const si = await library()
  const os = await si.osInfo()
  return {
    platform: told(os.platform),
    distribution: told(os.distro),
    release: told(os.release),
    codename: told(os.codename),
    kernel: told(os.kernel),
    architecture: told(os.arch),
    hostname: told(os.hostname),
    firmware: os.uefi === true ? 'uefi' : os.uefi === false ? 'bios' : unknownValue,
  }
}
