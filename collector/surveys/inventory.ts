import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Section, SectionState } from '../wire/frames.ts'
import type { Findings, Survey } from './survey.ts'

const run = promisify(execFile)

/** Loaded by the child process alone: the collector itself stays small. */
const library = () => import('systeminformation')
const commandMilliseconds = 10_000

/** Said in place of a value the machine does not tell. */
export const unknownValue = 'unknown'
/** Said in place of a value only root may read. */
export const deniedValue = 'denied: needs root'

/** Programs and libraries a call system stands on, as systeminformation names them. */
const programs = 'kernel,openssl,node,nginx,mysql,redis,docker,python3'

/** Packages of call systems and what they stand on, by the names of Debian and RPM distributions. */
const packages = [
  ...['asterisk', 'freeswitch', 'kamailio', 'opensips', 'rtpengine', 'rtpproxy', 'dahdi', 'yate'],
  ...['postgresql', 'postgresql-server', 'mariadb-server', 'mysql-server', 'redis', 'redis-server'],
  ...['nginx', 'haproxy', 'keepalived', 'chrony', 'ntp', 'openssl', 'openssh-server', 'libc6'],
  ...['glibc', 'sudo', 'systemd', 'restic', 'rsync', 'nodejs', 'fail2ban', 'nftables'],
]

/** Hardware, operating system and versions, hourly. */
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
    versions: await part('versions', versions),
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

async function versions(): Promise<unknown> {
  const si = await library()
  const found = await si.versions(programs)
  const entries = Object.entries(found).filter(([, version]) => version !== '')
  return { programs: Object.fromEntries(entries), packages: await packageVersions() }
}

/** Versions of the named packages that are installed; says so when the host has no package manager we know. */
async function packageVersions(): Promise<unknown> {
  const fields = ['Package', 'Version', 'db:Status-Status'].map((field) => `\${${field}}`)
  const format = `${fields.join('\t')}\n`
  const debian = await output('dpkg-query', ['-W', '-f', format, ...packages])
  const lines =
    debian ??
    (await output('rpm', [
      '-q',
      '--qf',
      '%{NAME}\t%{VERSION}-%{RELEASE}\tinstalled\n',
      ...packages,
    ]))
  if (lines === undefined) return unknownValue
  const rows = lines.split('\n').map((line) => line.split('\t'))
  const installed = rows.filter(([, version, status]) => version !== '' && status === 'installed')
  return Object.fromEntries(installed.map(([name, version]) => [name, version]))
}

/** What the command printed, even when it ends with an error because some names are not installed. */
async function output(command: string, argv: readonly string[]): Promise<string | undefined> {
  try {
    return (await run(command, argv, { timeout: commandMilliseconds })).stdout
  } catch (error) {
    const { stdout, code } = error as { stdout?: unknown; code?: unknown } // as execFile rejects
    return code !== 'ENOENT' && typeof stdout === 'string' ? stdout : undefined
  }
}
