import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { createConnection, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { answers, endWithUs } from './kit.ts'

/** Agents of other systems that watch a host by themselves, without a server of theirs. */
export const agentKinds = ['collectd', 'netdata', 'zabbix-agent2'] as const

export type AgentKind = (typeof agentKinds)[number]

interface AgentProgram {
  readonly program: string
  readonly debianPackage: string
  /** Writes what it is told to do; gives its command line. */
  command(folder: string, port: number): string[]
  isReady(port: number): Promise<boolean>
  /** What its server would ask each 10 s. */
  poll?(port: number): Promise<unknown>
}

const programs: Record<AgentKind, AgentProgram> = {
  collectd: {
    program: '/usr/sbin/collectd',
    debianPackage: 'collectd-core',
    command(folder) {
      const file = join(folder, 'collectd.conf')
      writeFileSync(file, collectdSettings(folder))
      return ['-f', '-C', file]
    },
    isReady: async () => true,
  },
  netdata: {
    program: '/usr/sbin/netdata',
    debianPackage: 'netdata-core',
    command(folder, port) {
      const file = join(folder, 'netdata.conf')
      writeFileSync(file, netdataSettings(folder, port))
      return ['-D', '-c', file, '-P', join(folder, 'netdata.pid')]
    },
    isReady: (port) => answers(`http://127.0.0.1:${port}/api/v1/info`),
  },
  'zabbix-agent2': {
    program: '/usr/sbin/zabbix_agent2',
    debianPackage: 'zabbix-agent2',
    command(folder, port) {
      const file = join(folder, 'agent.conf')
      writeFileSync(file, zabbixSettings(folder, port))
      return ['-c', file]
    },
    isReady: async (port) => (await ask(port, 'agent.ping').catch(() => '')) === '1',
    async poll(port) {
      for (const item of zabbixItems) await ask(port, item)
    },
  },
}

/** Version of an agent as its package says it; undefined when it is not there. */
export function agentVersion(kind: AgentKind): string | undefined {
  const { program, debianPackage } = programs[kind]
  if (!existsSync(program)) return undefined
  try {
    const stdio = ['ignore', 'pipe', 'ignore'] as ['ignore', 'pipe', 'ignore']
    const options = ['-W', '-f', `\${Version}`, debianPackage]
    const text = execFileSync('dpkg-query', options, { encoding: 'utf8', stdio })
    return /^(?:\d+:)?([\d.]*\d)/.exec(text)?.[1] ?? '?'
  } catch {
    return '?'
  }
}

/** Name and version for a column; the name alone when it is not there. */
export function agentTitle(kind: AgentKind): string {
  const version = agentVersion(kind)
  return version === undefined ? kind : `${kind} ${version}`
}

/** An agent's process on a free port with all its files in a folder. */
export class Agent {
  readonly kind: AgentKind
  readonly #port: number
  readonly #child: ChildProcess

  private constructor(kind: AgentKind, port: number, child: ChildProcess) {
    this.kind = kind
    this.#port = port
    this.#child = child
  }

  static async start(kind: AgentKind, folder: string): Promise<Agent> {
    mkdirSync(folder, { recursive: true })
    const port = await lowPort()
    const { program, command, isReady } = programs[kind]
    const log = openSync(join(folder, 'log'), 'a')
    const stdio: ['ignore', number, number] = ['ignore', log, log]
    const child = spawn(program, command(folder, port), { cwd: folder, stdio })
    closeSync(log)
    endWithUs(child)
    const deadline = performance.now() + 60_000
    do {
      await delay(200)
      if (child.exitCode !== null || performance.now() > deadline)
        throw new Error(
          `${kind} did not start: ${readFileSync(join(folder, 'log'), 'utf8').slice(-800)}`,
        )
    } while (!(await isReady(port)))
    return new Agent(kind, port, child)
  }

  /** The process and its descendants, as they are now. */
  get pids(): number[] {
    return withDescendants(this.#child.pid ?? 0)
  }

  /** Asks what a server would ask. */
  async poll(): Promise<void> {
    await programs[this.kind].poll?.(this.#port)
  }

  async stop(): Promise<void> {
    const child = this.#child
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), 10_000)
    await ended
    clearTimeout(timer)
  }
}

/** A port that was free a moment ago; zabbix-agent2 takes none above 32767. */
async function lowPort(): Promise<number> {
  for (let port = 21_000; port < 32_768; port++) {
    const server = createServer()
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
    })
    if (isFree) return port
  }
  throw new Error('no port below 32768 is free')
}

function withDescendants(pid: number): number[] {
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const parent = parentOf(Number(name))
    if (parent === undefined) continue
    const siblings = children.get(parent) ?? []
    siblings.push(Number(name))
    children.set(parent, siblings)
  }
  const pids = [pid]
  for (const one of pids) pids.push(...(children.get(one) ?? []))
  return pids
}

function parentOf(pid: number): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    // It has ended meanwhile.
    return undefined
  }
}

function collectdSettings(folder: string): string {
  const plugins = ['cpu', 'memory', 'df', 'disk', 'interface', 'load', 'swap', 'vmem', 'processes']
  return [
    'Hostname "bench"',
    'FQDNLookup false',
    `BaseDir "${folder}"`,
    `PIDFile "${join(folder, 'collectd.pid')}"`,
    'PluginDir "/usr/lib/collectd"',
    'TypesDB "/usr/share/collectd/types.db"',
    'Interval 10',
    ...plugins.map((name) => `LoadPlugin ${name}`),
    'LoadPlugin csv',
    `<Plugin csv>\n  DataDir "${join(folder, 'csv')}"\n</Plugin>`,
    '',
  ].join('\n')
}

function netdataSettings(folder: string, port: number): string {
  for (const name of ['cache', 'lib', 'log-files'])
    mkdirSync(join(folder, name), { recursive: true })
  return [
    '[global]',
    '  hostname = bench',
    '  run as user = root',
    '[directories]',
    `  cache = ${join(folder, 'cache')}`,
    `  lib = ${join(folder, 'lib')}`,
    `  log = ${join(folder, 'log-files')}`,
    '[logs]',
    '  access = none',
    '[web]',
    `  bind to = 127.0.0.1:${port}`,
    '[statsd]',
    '  enabled = no',
    '[cloud]',
    '  enabled = no',
    '',
  ].join('\n')
}

function zabbixSettings(folder: string, port: number): string {
  return [
    'LogType=console',
    'Server=127.0.0.1',
    'ListenIP=127.0.0.1',
    `ListenPort=${port}`,
    'Hostname=bench',
    `PidFile=${join(folder, 'agent.pid')}`,
    `ControlSocket=${join(folder, 'agent.sock')}`,
    '',
  ].join('\n')
}

/** What the template "Linux by Zabbix agent" asks most of. */
const zabbixItems = [
  'agent.ping',
  'system.uptime',
  'system.boottime',
  'system.localtime',
  'system.users.num',
  'system.cpu.num',
  'system.cpu.switches',
  'system.cpu.intr',
  ...['avg1', 'avg5', 'avg15'].map((mode) => `system.cpu.load[all,${mode}]`),
  ...['user', 'system', 'iowait', 'steal', 'idle'].map((type) => `system.cpu.util[,${type}]`),
  ...['total', 'available', 'pavailable'].map((mode) => `vm.memory.size[${mode}]`),
  ...['total', 'free', 'pfree'].map((mode) => `system.swap.size[,${mode}]`),
  'kernel.maxfiles',
  'kernel.maxproc',
  'proc.num',
  'proc.num[,,run]',
  ...['used', 'total', 'pused'].map((mode) => `vfs.fs.size[/,${mode}]`),
  'vfs.fs.inode[/,pfree]',
  'net.if.in[lo]',
  'net.if.out[lo]',
]

/** Items that the agent is asked for each time. */
export const zabbixItemCount = zabbixItems.length

const zabbixHead = 13
const answerWithinMillis = 5_000

/**
 * One passive check: `ZBXD`, flags 1, length and a reserved word (both 32 bits, little-endian), then the text; one connection a
 * check (Zabbix manual, "Header" and "Passive checks").
 */
function ask(port: number, item: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: '127.0.0.1', port })
    const parts: Buffer[] = []
    socket.setTimeout(answerWithinMillis, () => socket.destroy(new Error(`${item}: no answer`)))
    socket.on('connect', () => {
      const head = Buffer.alloc(zabbixHead)
      head.write('ZBXD\x01', 'latin1')
      head.writeUInt32LE(Buffer.byteLength(item), 5)
      socket.write(Buffer.concat([head, Buffer.from(item)]))
    })
    socket.on('data', (part) => parts.push(part))
    socket.on('error', reject)
    socket.on('close', () => {
      const answer = Buffer.concat(parts)
      const text = answer.subarray(zabbixHead).toString()
      const isWhole =
        answer.length >= zabbixHead && answer.readUInt32LE(5) === answer.length - zabbixHead
      if (!isWhole || text.startsWith('ZBX_NOTSUPPORTED'))
        reject(new Error(`zabbix-agent2: ${item}: ${text.replace('\0', ' ')}`))
      else resolve(text)
    })
  })
}
