import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { packageRoot } from '../../server/assets.ts'
import { freePort } from '../helpers/hub.ts'
import { answers, endWithUs, serverLauncher, type Target } from './kit.ts'

export type PeerKind =
  | 'prometheus'
  | 'victoria-metrics'
  | 'prometheus-node-exporter'
  | 'prometheus-alertmanager'
  | 'influxd'

const names: Record<PeerKind, string> = {
  prometheus: 'Prometheus',
  'victoria-metrics': 'VictoriaMetrics',
  'prometheus-node-exporter': 'node_exporter',
  'prometheus-alertmanager': 'Alertmanager',
  influxd: 'InfluxDB',
}

/** Of Debian, where it is not named as its program. */
const packages: Partial<Record<PeerKind, string>> = { influxd: 'influxdb' }

const versions = new Map<PeerKind, string | undefined>()

/** Version of a peer as its package says it; undefined when the program is not there. */
export function peerVersion(kind: PeerKind): string | undefined {
  if (!versions.has(kind)) versions.set(kind, findVersion(kind))
  return versions.get(kind)
}

function findVersion(kind: PeerKind): string | undefined {
  const output = (program: string, ...options: string[]) => {
    try {
      const stdio = ['ignore', 'pipe', 'pipe'] as ['ignore', 'pipe', 'pipe']
      return execFileSync(program, options, { encoding: 'utf8', stdio })
    } catch {
      return ''
    }
  }
  if (output('sh', '-c', `command -v ${kind}`) === '') return undefined
  const packaged = output('dpkg-query', '-W', '-f', `\${Version}`, packages[kind] ?? kind)
  return (
    /^[\d.]+/.exec(packaged)?.[0] ?? /version ([\d.]+)/.exec(output(kind, '--version'))?.[1] ?? '?'
  )
}

/** Name and version for a column; the name alone when it is not there. */
export function peerTitle(kind: PeerKind): string {
  const version = peerVersion(kind)
  return version === undefined ? names[kind] : `${names[kind]} ${version}`
}

/** How a peer differs from what the benchmarks need as a rule. */
export interface PeerSettings {
  /** Seconds between two evaluations. */
  readonly intervalSeconds?: number
  /** Folder of the rules; those that ship, when there is none. */
  readonly rulesFolder?: string
  /** Where Prometheus sends alerts. */
  readonly alertmanager?: Peer
  /** Where Alertmanager sends notices. */
  readonly webhook?: string
  /** On the load's core: it is not what is measured. */
  readonly besideLoad?: boolean
}

/** A peer's process on a free port with its data in a folder. */
export class Peer {
  readonly kind: PeerKind
  readonly port: number
  readonly #folder: string
  readonly #settings: PeerSettings
  #child: ChildProcess | undefined

  private constructor(kind: PeerKind, port: number, folder: string, settings: PeerSettings) {
    this.kind = kind
    this.port = port
    this.#folder = folder
    this.#settings = settings
  }

  /** Starts a peer; Prometheus gets the shipped rules and evaluates them each 10 s, when nothing else is said. */
  static async start(kind: PeerKind, folder: string, settings: PeerSettings = {}): Promise<Peer> {
    mkdirSync(folder, { recursive: true })
    const peer = new Peer(kind, await freePort(), folder, settings)
    await peer.launch()
    return peer
  }

  /** Where it keeps its data. */
  get data(): string {
    return join(this.#folder, 'data')
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  get target(): Target {
    const parameters: Record<string, string> =
      this.kind === 'victoria-metrics' ? { nocache: '1' } : {}
    return {
      name: peerTitle(this.kind),
      pid: this.pid,
      prometheusApi: `${this.url}/api/v1`,
      headers: {},
      parameters,
    }
  }

  /** Starts the process and resolves when it says it is ready, looked at each 5 ms. */
  async launch(): Promise<void> {
    const log = openSync(join(this.#folder, 'log'), 'a')
    // An exporter shares the core of the collectors it is compared with.
    const isBesideLoad = this.kind === 'prometheus-node-exporter' || this.#settings.besideLoad
    const launcher = isBesideLoad ? [] : serverLauncher
    const command = [...launcher, this.kind, ...this.#options()]
    const child = spawn(command[0]!, command.slice(1), { stdio: ['ignore', log, log] })
    closeSync(log)
    endWithUs(child)
    this.#child = child
    const ready = {
      prometheus: '/-/ready',
      'victoria-metrics': '/health',
      'prometheus-alertmanager': '/-/ready',
      influxd: '/ping',
    }
    const path = this.kind === 'prometheus-node-exporter' ? '/' : ready[this.kind]
    const deadline = performance.now() + 60_000
    while (!(await answers(`${this.url}${path}`))) {
      if (child.exitCode !== null || performance.now() > deadline)
        throw new Error(
          `${this.kind} did not start: ${readFileSync(join(this.#folder, 'log'), 'utf8').slice(-800)}`,
        )
      await delay(5)
    }
  }

  #options(): string[] {
    const address = `127.0.0.1:${this.port}`
    const { data } = this
    if (this.kind === 'prometheus-node-exporter') return [`--web.listen-address=${address}`]
    if (this.kind === 'victoria-metrics')
      return [
        `-storageDataPath=${data}`,
        `-httpListenAddr=${address}`,
        '-retentionPeriod=12',
        '-search.latencyOffset=0s',
        '-loggerLevel=WARN',
      ]
    if (this.kind === 'influxd') return ['-config', this.#influxFile(address)]
    if (this.kind === 'prometheus-alertmanager') return this.#alertmanagerOptions(address)
    const { intervalSeconds = 10, rulesFolder, alertmanager } = this.#settings
    const config = join(this.#folder, 'prometheus.yml')
    writeFileSync(
      config,
      [
        'global:',
        `  evaluation_interval: ${intervalSeconds}s`,
        'rule_files:',
        `  - ${join(rulesFolder ?? join(packageRoot, 'alerts', 'rules'), '*.yaml')}`,
        ...(alertmanager === undefined
          ? []
          : [
              'alerting:',
              '  alertmanagers:',
              `    - static_configs: [{targets: ['127.0.0.1:${alertmanager.port}']}]`,
            ]),
        '',
      ].join('\n'),
    )
    return [
      `--config.file=${config}`,
      `--storage.tsdb.path=${data}`,
      `--web.listen-address=${address}`,
      '--web.enable-remote-write-receiver',
      '--web.enable-admin-api',
      '--log.level=warn',
    ]
  }

  /** As it comes, but for paths and ports. */
  #influxFile(address: string): string {
    const config = join(this.#folder, 'influxdb.conf')
    const { data } = this
    const lines = [
      'reporting-disabled = true',
      'bind-address = "127.0.0.1:0"',
      `[meta]\ndir = "${data}/meta"`,
      `[data]\ndir = "${data}/data"\nwal-dir = "${data}/wal"`,
      `[http]\nbind-address = "${address}"\nlog-enabled = false`,
      '[monitor]\nstore-enabled = false',
      '[logging]\nlevel = "error"',
      '',
    ]
    writeFileSync(config, lines.join('\n'))
    return config
  }

  /** Every alert its own group, told at once. */
  #alertmanagerOptions(address: string): string[] {
    const config = join(this.#folder, 'alertmanager.yml')
    const lines = [
      "route: {receiver: bench, group_by: ['...'], group_wait: 0s, group_interval: 1s}",
      'receivers:',
      `  - {name: bench, webhook_configs: [{url: '${this.#settings.webhook ?? ''}'}]}`,
      '',
    ]
    writeFileSync(config, lines.join('\n'))
    return [
      `--config.file=${config}`,
      `--storage.path=${this.data}`,
      `--web.listen-address=${address}`,
      '--cluster.listen-address=',
      '--log.level=warn',
    ]
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill(signal)
    const timer = setTimeout(() => child.kill('SIGKILL'), 20_000)
    await ended
    clearTimeout(timer)
  }
}
