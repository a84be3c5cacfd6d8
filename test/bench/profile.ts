import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import WebSocket from 'ws'
import { http, progress } from './kit.ts'

interface CallFrame {
  readonly functionName: string
  readonly url: string
  readonly lineNumber: number
}

/** A CPU profile as the inspector gives it (Chrome DevTools Protocol, Profiler.Profile); times in microseconds. */
interface CpuProfile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: CallFrame }[]
  readonly samples?: readonly number[]
  readonly timeDeltas?: readonly number[]
}

interface Reply {
  readonly id?: number
  readonly method?: string
  readonly params?: { sessionId?: string; message?: string; workerInfo?: { url: string } }
  readonly result?: { profile?: CpuProfile }
  readonly error?: { message: string }
}

/** The inspector of one process and of its worker threads. */
class Inspector {
  readonly #socket: WebSocket
  readonly #waiting = new Map<string, (reply: Reply) => void>()
  #last = 0
  /** Session ids of worker threads by where they were found; the main thread's is ''. */
  readonly threads = new Map<string, string>([['', 'main thread']])

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.on('message', (data) => this.#received('', JSON.parse(String(data)) as Reply))
  }

  static async attach(port: number): Promise<Inspector> {
    const { body } = await http(`http://127.0.0.1:${port}/json/list`)
    const [target] = JSON.parse(body.toString()) as { webSocketDebuggerUrl: string }[]
    const socket = new WebSocket(target!.webSocketDebuggerUrl, { maxPayload: 1024 ** 3 })
    await new Promise((opened, failed) => socket.once('open', opened).once('error', failed))
    const inspector = new Inspector(socket)
    await inspector.ask('', 'NodeWorker.enable', { waitForDebuggerOnStart: false })
    return inspector
  }

  #received(session: string, reply: Reply): void {
    const { sessionId = '', message, workerInfo } = reply.params ?? {}
    if (reply.method === 'NodeWorker.receivedMessageFromWorker' && message !== undefined)
      this.#received(sessionId, JSON.parse(message) as Reply)
    else if (reply.method === 'NodeWorker.attachedToWorker')
      this.threads.set(sessionId, `worker ${workerInfo?.url.split('/').slice(-2).join('/') ?? ''}`)
    else if (reply.method === 'NodeWorker.detachedFromWorker') this.threads.delete(sessionId)
    else if (reply.id !== undefined) {
      const key = `${session}/${reply.id}`
      this.#waiting.get(key)?.(reply)
      this.#waiting.delete(key)
    }
  }

  async ask(session: string, method: string, params: object = {}): Promise<Reply> {
    const id = ++this.#last
    const reply = new Promise<Reply>((resolve) => this.#waiting.set(`${session}/${id}`, resolve))
    const message = JSON.stringify({ id, method, params })
    if (session === '') this.#socket.send(message)
    else {
      const wrapped = { sessionId: session, message }
      await this.ask('', 'NodeWorker.sendMessageToWorker', wrapped)
    }
    const answer = await reply
    if (answer.error !== undefined) throw new Error(`${method}: ${answer.error.message}`)
    return answer
  }

  close(): void {
    this.#socket.terminate()
  }
}

const withoutFile = new Set(['(idle)', '(program)', '(root)', '(garbage collector)'])

/** Names the module of a line of a bundle, by the comment that stands before each module. */
class Modules {
  readonly #lines = new Map<string, readonly string[]>()

  of({ url, lineNumber }: CallFrame): string {
    const short = url.replace(/^.*\/(dist[^/]*|node_modules)\//, '')
    if (!url.startsWith('file:')) return short
    const path = fileURLToPath(url)
    if (!this.#lines.has(path)) this.#lines.set(path, readFileSync(path, 'utf8').split('\n'))
    const lines = this.#lines.get(path)!
    for (let line = lineNumber; line >= 0; line--) {
      const module = /^\/\/ (?:.*\/)?(?:dist[^/]*|node_modules)\/(\S+\.[cm]?js)$/.exec(
        lines[line] ?? '',
      )
      if (module !== null) return module[1]!
    }
    return short
  }
}

const modules = new Modules()

type Times = readonly (readonly [string, number])[]

/** Functions and folders of a profile by their own time, the largest first; and the busy milliseconds in all. */
function selfTimes(profile: CpuProfile): { busy: number; functions: Times; folders: Times } {
  const byId = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]))
  const millis = new Map<string, number>()
  const byFolder = new Map<string, number>()
  const add = (to: Map<string, number>, name: string, spent: number) =>
    to.set(name, (to.get(name) ?? 0) + spent)
  let busy = 0
  for (const [index, id] of (profile.samples ?? []).entries()) {
    const frame = byId.get(id)!
    const { functionName } = frame
    if (functionName === '(idle)' || functionName === '(root)') continue
    const spent = (profile.timeDeltas?.[index] ?? 0) / 1000
    busy += spent
    const module = modules.of(frame)
    const isOutside = withoutFile.has(functionName)
    const name = isOutside
      ? functionName
      : `${functionName || '(anonymous)'}  ${module}:${frame.lineNumber + 1}`
    add(millis, name, spent)
    const folder = module === '' ? '(native)' : module.split('/').slice(0, -1).join('/')
    add(byFolder, isOutside ? functionName : folder, spent)
  }
  const sorted = (of: Map<string, number>) => [...of].sort(([, x], [, y]) => y - x)
  return { busy, functions: sorted(millis), folders: sorted(byFolder) }
}

const shown = 25

function tableOf(thread: string, profile: CpuProfile): string {
  const { busy, functions, folders } = selfTimes(profile)
  const lines = (times: Times, most: number) =>
    times
      .slice(0, most)
      .filter(([, millis]) => millis > busy / 1000)
      .map(([name, millis]) => `  ${((millis / busy) * 100).toFixed(1).padStart(5)} %  ${name}`)
  return [
    `${thread}: ${Math.round(busy)} ms busy; by own time`,
    ...lines(functions, shown),
    '  by folder',
    ...lines(folders, 12),
    '',
  ].join('\n')
}

/**
 * Profiles every thread of a process while `work` runs: prints the functions by their own time and writes
 * NAME[-THREAD].cpuprofile to the working folder. `port`: of its inspector.
 */
export async function profiled<T>(name: string, port: number, work: () => Promise<T>): Promise<T> {
  const inspector = await Inspector.attach(port)
  try {
    const threads = [...inspector.threads]
    for (const [session] of threads) {
      await inspector.ask(session, 'Profiler.enable')
      await inspector.ask(session, 'Profiler.setSamplingInterval', { interval: 500 })
      await inspector.ask(session, 'Profiler.start')
    }
    const result = await work()
    for (const [index, [session, thread]] of threads.entries()) {
      if (!inspector.threads.has(session)) continue
      const { result: stopped } = await inspector.ask(session, 'Profiler.stop')
      if (stopped?.profile === undefined) continue
      const file = resolve(`${name}${index === 0 ? '' : `-${index}`}.cpuprofile`)
      writeFileSync(file, JSON.stringify(stopped.profile))
      process.stdout.write(tableOf(`${name}, ${thread}`, stopped.profile))
      progress(`profile: ${file}`)
    }
    return result
  } finally {
    inspector.close()
  }
}
