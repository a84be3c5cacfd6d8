import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import { stateOfError } from '../../source.ts'
import { ask, whyNotTrusted } from '../../trusted-program.ts'
import type { Section, SectionState } from '../../wire/frames.ts'
import { approach, HangsError } from '../course.ts'
import { expand, sectionFrom, type Trouble, whyOf } from './paths.ts'
import { printable } from './text.ts'

/** How a service is found and asked for its version. */
export interface ServiceKind {
  readonly name: string
  /** Places of its program; `*` for a folder of each version. */
  readonly programs: readonly string[]
  readonly argv: readonly string[]
  /** The version as its first group, in what the program prints. */
  readonly version: RegExp
  /** Names of its processes (`/proc/PID/comm`, 15 characters), unless they are the program's. Empty: none is judged. */
  readonly processes?: readonly string[]
  /** Its answer was never met, neither from the program nor in a public text. */
  readonly unproven?: true
}

const system = (...names: readonly string[]) =>
  names.flatMap((name) =>
    ['/usr/sbin', '/usr/bin', '/usr/local/sbin', '/usr/local/bin'].map(
      (folder) => `${folder}/${name}`,
    ),
  )

/** Those that go on in a new program without a new start, or whose old processes are people's sessions and scripts. */
const none: readonly string[] = []

/**
 * Services of call systems and what they stand on, in the order they are told. Only arguments that print a version and end.
 * `docs/collector.md` says which answers were seen from the real program and which only in public texts.
 */
export const serviceKinds: readonly ServiceKind[] = [
  { name: 'asterisk', programs: system('asterisk'), argv: ['-V'], version: /^Asterisk (\S+)/m },
  {
    name: 'freeswitch',
    programs: [...system('freeswitch'), '/usr/local/freeswitch/bin/freeswitch'],
    argv: ['-version'],
    version: /^FreeSWITCH version: (\S+)/m,
  },
  {
    name: 'kamailio',
    programs: system('kamailio'),
    argv: ['-V'],
    version: /^version: kamailio (\S+)/m,
  },
  {
    name: 'opensips',
    programs: system('opensips'),
    argv: ['-V'],
    version: /^version: opensips (\S+)/m,
  },
  {
    name: 'rtpengine',
    programs: system('rtpengine'),
    argv: ['--version'],
    version: /^(?:Version: )?(\d\S*)/m,
  },
  {
    name: 'rtpproxy',
    programs: system('rtpproxy'),
    argv: ['-V'],
    version: /(\d+\.\S+)/,
    unproven: true,
  },
  {
    name: 'postgres',
    programs: [
      ...system('postgres'),
      '/usr/lib/postgresql/*/bin/postgres',
      '/usr/pgsql-*/bin/postgres',
    ],
    argv: ['--version'],
    version: /^postgres \(PostgreSQL\) (\S+)/m,
  },
  {
    name: 'mariadb',
    programs: system('mariadbd'),
    argv: ['--version'],
    version: /Ver (\d\S*)/,
  },
  {
    name: 'mysql',
    programs: system('mysqld'),
    argv: ['--version'],
    version: /Ver (\d\S*)/,
  },
  {
    name: 'redis',
    programs: system('redis-server'),
    argv: ['--version'],
    version: /v=(\S+)/,
  },
  {
    name: 'nginx',
    programs: system('nginx'),
    argv: ['-v'],
    version: /^nginx version: [^/\s]+\/(\S+)/m,
  },
  {
    name: 'haproxy',
    programs: system('haproxy'),
    argv: ['-v'],
    version: /^HA-?Proxy version (\S+)/m,
  },
  {
    name: 'apache',
    programs: system('apache2', 'httpd'),
    argv: ['-v'],
    version: /^Server version: [^/\s]+\/(\S+)/m,
  },
  { name: 'node', programs: system('node'), argv: ['--version'], version: /^v(\d\S*)/m },
  {
    name: 'java',
    programs: system('java'),
    // Without files in /tmp.
    argv: ['-XX:-UsePerfData', '-version'],
    version: /version "([^"]+)"/,
  },
  {
    name: 'python3',
    programs: system('python3'),
    argv: ['--version'],
    version: /^Python (\S+)/m,
    processes: none,
  },
  {
    name: 'php-fpm',
    programs: system('php-fpm', 'php-fpm*'),
    argv: ['-v'],
    version: /^PHP (\S+)/m,
  },
  {
    name: 'chrony',
    programs: system('chronyd'),
    argv: ['-v'],
    version: /\(chrony\) version (\S+)/,
  },
  {
    name: 'keepalived',
    programs: system('keepalived'),
    argv: ['-v'],
    version: /^Keepalived v(\S+)/m,
  },
  {
    name: 'openssh',
    programs: system('sshd'),
    argv: ['-V'],
    version: /OpenSSH_([^\s,]+)/,
    processes: none,
  },
  {
    name: 'openssl',
    programs: system('openssl'),
    argv: ['version'],
    version: /^OpenSSL (\S+)/m,
    processes: none,
  },
  {
    name: 'docker',
    programs: system('dockerd'),
    argv: ['--version'],
    version: /version ([^\s,]+)/,
  },
  {
    name: 'systemd',
    programs: ['/usr/lib/systemd/systemd', '/lib/systemd/systemd'],
    argv: ['--version'],
    version: /^systemd (\d\S*)/m,
    processes: none,
  },
]

export interface ServiceVersion {
  /** Of its kind; where a host has several programs of one kind, with what tells them apart (`postgres-15`). */
  readonly name: string
  readonly version: string
  /** The program that said it. */
  readonly source: string
}

/** A program that was found and not asked, or that said nothing we understand. */
export interface UnaskedProgram {
  readonly name: string
  readonly source: string
  /** `denied`: it is not safe to start; `error`: no answer that we understand. */
  readonly state: Exclude<SectionState, 'ok'>
  readonly detail: string
}

const limits = { milliseconds: 5_000, bytes: 64 * 1024 }
/** Once more with more time: a busy minute must not read as a service that is gone. */
const patientLimits = { ...limits, milliseconds: 20_000 }

/** The version of each program found, by its own word. One after the other: a host has calls to carry. */
export async function serviceVersions(kinds: readonly ServiceKind[]): Promise<{
  section: Section
  services: readonly ServiceVersion[]
  unasked: readonly UnaskedProgram[]
}> {
  const services: ServiceVersion[] = []
  const unasked: UnaskedProgram[] = []
  const asked = new Set<string | undefined>()
  for (const kind of kinds) {
    // One program under two names, such as mariadbd and mysqld, is told once.
    const programs = programsOf(kind, '/').filter((path) => !asked.has(realPathOf('/', path)))
    for (const path of programs) asked.add(realPathOf('/', path))
    for (const source of programs) {
      const name = programs.length > 1 ? `${kind.name}-${whatDiffers(source, programs)}` : kind.name
      const answer = await versionOf(kind, source)
      if (typeof answer === 'string') services.push({ name, version: answer, source })
      else unasked.push({ name, source, ...answer })
    }
  }
  const troubles = unasked.map(
    ({ source, state, detail }): Trouble => ({ path: source, state, detail }),
  )
  const whenNone = 'no program of those that are known is installed'
  const section = sectionFrom('software', troubles, services.length, whenNone)
  const unproven = kinds.filter(
    ({ name, unproven: is }) => is && services.some((one) => one.name === name),
  )
  const detail =
    unproven.length === 0 ? '' : `unproven: ${unproven.map(({ name }) => name).join(', ')}`
  return { section: section.state === 'ok' ? { ...section, detail } : section, services, unasked }
}

/** Programs of a kind that exist below `rootfs`, each real file once. */
export function programsOf({ programs }: ServiceKind, rootfs: string): readonly string[] {
  const found = expand({ rootfs, patterns: programs }, 100).paths
  const real = new Map<string, string>()
  for (const path of found) {
    const target = realPathOf(rootfs, path)
    if (target !== undefined && !real.has(target)) real.set(target, path)
  }
  return [...real.values()]
}

async function versionOf(
  { argv, version }: ServiceKind,
  source: string,
): Promise<string | Pick<UnaskedProgram, 'state' | 'detail'>> {
  try {
    approach(source)
    const distrust = whyNotTrusted(source)
    if (distrust !== undefined) return { state: 'denied', detail: `not asked: ${distrust}` }
    const first = await ask(source, argv, limits)
    const { text, fault } = first.isLate ? await ask(source, argv, patientLimits) : first
    const found = versionIn(text, version)
    if (found !== undefined) return found
    return { state: 'error', detail: fault || `its answer to ${argv.join(' ')} is not understood` }
  } catch (error) {
    return { state: stateOfError(error), detail: whyOf(error) }
  }
}

/** The version in what a program printed. */
export function versionIn(text: string, version: RegExp): string | undefined {
  const found = version.exec(text)?.[1]
  return found === undefined ? undefined : printable(found, 100)
}

function realPathOf(rootfs: string, path: string): string | undefined {
  try {
    approach(join(rootfs, path))
    return realpathSync(join(rootfs, path))
  } catch (error) {
    // It may be there, so it is told as one that could not be asked.
    if (error instanceof HangsError) return path
    return undefined
  }
}

/** The part of a path in which it differs from the others: the number of `/usr/lib/postgresql/15/bin/postgres`. */
function whatDiffers(path: string, all: readonly string[]): string {
  const split = all.map((one) => one.split('/'))
  const own = path.split('/')
  const differs = own.filter((part, i) => split.some((other) => other[i] !== part))
  return printable(differs.join('-'), 100)
}
