/** One entry of `services:` in the collector's file. */
export interface ServiceSetting {
  /** Label `service` of its figures. */
  readonly name: string
  /** Regular expression for the whole name the kernel gives the process (15 characters); the service's name if not given. */
  readonly match?: string
  /** Regular expression found somewhere in the command line; the line itself stays on the host. */
  readonly command?: string
  /** systemd unit; `<name>.service` if not given. */
  readonly unit?: string
  /** False: a service known to the collector that is not to be watched here. */
  readonly watch?: boolean
}

/** How the processes of a service are told from others. */
export interface ServiceSpec {
  readonly name: string
  readonly unit: string
  /** Whether a process of this name belongs to it, when its unit has no folder of its own. */
  fits(processName: string, commandLine: () => string): boolean
  /** Whether the process of this name is the service itself, not a helper of it. */
  isMain(processName: string): boolean
  /** Without a process of that name it is down, whatever else its unit runs. */
  readonly strict: boolean
  /** Named in the file: missing is down. Others are watched once they were seen here or are started at boot. */
  readonly configured: boolean
  /** Names of units that mean, when they are started at boot, that it belongs to this host. */
  readonly bootUnits: readonly string[]
}

interface KnownService {
  readonly name: string
  readonly processes?: readonly string[]
  readonly units?: readonly string[]
  /** Command lines of that program which are no service, such as a console. */
  readonly notCommand?: RegExp
}

/** Services call systems are made of; watched without being configured. */
const knownServices: readonly KnownService[] = [
  // `asterisk -r` and `-rx` are consoles of a server that may be gone.
  { name: 'asterisk', notCommand: /^\S*r?asterisk\b.*\s-[a-zA-Z]*[rRx]|^\S*rasterisk/ },
  { name: 'freeswitch' },
  { name: 'kamailio' },
  { name: 'opensips' },
  {
    name: 'rtpengine',
    units: ['rtpengine.service', 'rtpengine-daemon.service', 'ngcp-rtpengine-daemon.service'],
  },
  { name: 'rtpproxy' },
  { name: 'drachtio' },
  { name: 'coturn', processes: ['turnserver'] },
  { name: 'postgres', units: ['postgresql.service'] },
  { name: 'mariadbd', units: ['mariadb.service'] },
  { name: 'mysqld', units: ['mysql.service', 'mysqld.service'] },
  { name: 'redis', processes: ['redis-server'], units: ['redis.service', 'redis-server.service'] },
  { name: 'nginx' },
  { name: 'apache2' },
  { name: 'httpd' },
  { name: 'haproxy' },
  { name: 'keepalived' },
]

/** Most services watched. */
export const servicesLimit = 100

/** The kernel keeps 15 characters of a process's name. */
const processNameLimit = 15

/** What to watch: the entries of the file, and the known services it neither names nor switches off. */
export function serviceSpecs(settings: readonly ServiceSetting[] = []): ServiceSpec[] {
  const named = new Map(settings.map((one) => [one.name, one]))
  const known = knownServices.filter(({ name }) => !named.has(name)).map(knownSpec)
  return [...settings.filter(({ watch }) => watch !== false).map(configuredSpec), ...known]
}

function configuredSpec({ name, match, command, unit }: ServiceSetting): ServiceSpec {
  const known = knownServices.find((one) => one.name === name)
  if (match === undefined && command === undefined && known !== undefined) {
    return { ...knownSpec(known), unit: unit ?? `${name}.service`, configured: true }
  }
  const pattern = match === undefined ? undefined : new RegExp(`^(?:${match})$`)
  const line = command === undefined ? undefined : new RegExp(command)
  const isMain = (process: string) =>
    pattern?.test(process) ?? (line !== undefined || process === name.slice(0, processNameLimit))
  return {
    name,
    unit: unit ?? `${name}.service`,
    fits: (process, commandLine) =>
      isMain(process) && (line === undefined || line.test(commandLine())),
    isMain,
    strict: match !== undefined,
    configured: true,
    bootUnits: [],
  }
}

function knownSpec({ name, processes = [name], units, notCommand }: KnownService): ServiceSpec {
  const isMain = (process: string) => processes.includes(process)
  return {
    name,
    unit: `${name}.service`,
    fits: (process, commandLine) => isMain(process) && notCommand?.test(commandLine()) !== true,
    isMain,
    strict: true,
    configured: false,
    bootUnits: units ?? [`${name}.service`],
  }
}

/** Faults the schema cannot see, one line each: names given twice, expressions that are none. */
export function serviceFaults(settings: readonly ServiceSetting[]): string[] {
  const faults: string[] = []
  const names = new Set<string>()
  for (const one of settings) {
    if (names.has(one.name)) faults.push(`services: ${one.name} is given twice`)
    names.add(one.name)
    for (const key of ['match', 'command'] as const) {
      const text = one[key]
      if (text === undefined) continue
      try {
        new RegExp(text)
      } catch {
        faults.push(
          `services: ${one.name}: ${key} must be a regular expression, e.g. ${key}: asterisk`,
        )
      }
    }
  }
  return faults
}
