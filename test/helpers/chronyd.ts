import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'

/** Why chronyd cannot be run, or false. With CALLWARD_REQUIRE_PEERS=1 its absence is an error. */
export function chronydMissing(): string | false {
  const { error } = spawnSync('chronyd', ['--version'], { env })
  if (error === undefined) return false
  if (process.env['CALLWARD_REQUIRE_PEERS'] === '1') throw new Error('chronyd is not installed')
  return 'chronyd is not installed'
}

/** Debian has it where only root looks. */
const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin` }

async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  await once(socket, 'close')
  return port
}

/**
 * A real chronyd that leaves the clock alone (`-x`), in the foreground, with its commands at a port of its own. One
 * with `serve` answers others from its own clock; one with `from` follows that port of this machine, and finds the
 * clock slow by `offsetSeconds`.
 */
export class Chronyd {
  readonly commandPort: number
  readonly servedPort: number
  readonly #configuration: string
  #child: ChildProcess | undefined
  #output = ''

  private constructor(commandPort: number, servedPort: number, configuration: string) {
    this.commandPort = commandPort
    this.servedPort = servedPort
    this.#configuration = configuration
  }

  static async start(
    folder: string,
    options: {
      readonly serve?: true
      readonly from?: number
      readonly offsetSeconds?: number
    } = {},
  ): Promise<Chronyd> {
    mkdirSync(folder, { recursive: true })
    const [commandPort, servedPort] = [await freeUdpPort(), await freeUdpPort()]
    const configuration = join(folder, 'chrony.conf')
    const { serve, from, offsetSeconds = 0 } = options
    const lines = [
      `cmdport ${commandPort}`,
      'bindcmdaddress 127.0.0.1',
      'bindcmdaddress /',
      `pidfile ${join(folder, 'chronyd.pid')}`,
      ...(serve
        ? ['local stratum 8', `port ${servedPort}`, 'bindaddress 127.0.0.1', 'allow 127.0.0.1']
        : ['port 0']),
      ...(from === undefined
        ? []
        : [`server 127.0.0.1 port ${from} iburst minpoll -2 maxpoll -2 offset ${offsetSeconds}`]),
    ]
    writeFileSync(configuration, `${lines.join('\n')}\n`)
    const chronyd = new Chronyd(commandPort, servedPort, configuration)
    chronyd.run()
    return chronyd
  }

  /** Starts it, also again after `stop`. */
  run(): void {
    const argv = ['-x', '-d', '-U', '-u', userInfo().username, '-f', this.#configuration]
    this.#child = spawn('chronyd', argv, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text
      })
  }

  get output(): string {
    return this.#output
  }

  /** What `chronyc -c tracking` prints, or undefined without an answer. */
  tracking(): string[] | undefined {
    const argv = ['-n', '-c', '-h', '127.0.0.1', '-p', String(this.commandPort), 'tracking']
    const { status, stdout } = spawnSync('chronyc', argv, { env, encoding: 'utf8' })
    return status === 0 ? stdout.trim().split(',') : undefined
  }

  /** What `chronyc tracking` prints for people. */
  trackingText(): string {
    const argv = ['-n', '-h', '127.0.0.1', '-p', String(this.commandPort), 'tracking']
    return spawnSync('chronyc', argv, { env, encoding: 'utf8' }).stdout
  }

  async stop(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGTERM')
    await once(child, 'exit')
  }
}
