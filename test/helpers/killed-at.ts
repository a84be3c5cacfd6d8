// Loaded into a hub that a test starts (`NODE_OPTIONS=--import=…/killed-at.js`): kills that hub at the n-th point of what it
// writes and sends. It stands on the wire, between the records and their database and between the hub and the receiver of
// its webhooks, so the hub itself has no switch. Commands come by standard input, one a line:
// `arm N` counts from now on and kills at the N-th point; `arm PATTERN` at the first that matches; `count` says how many
// there were; `pass N` lets N milliseconds pass by the hub's clocks at once.
import { EventEmitter } from 'node:events'
import { writeSync } from 'node:fs'
import net from 'node:net'
import { createInterface } from 'node:readline'
import { Duplex } from 'node:stream'
import { isMainThread, Worker } from 'node:worker_threads'

/**
 * `states`: after each commit, before and after each send: each state that the records can be found in. `commits`: before
 * each commit too, where the records are as after the one before. `every`: at each statement that writes, too.
 */
const mode = process.env['CALLWARD_MATRIX'] ?? 'states'
const every = mode === 'every'
const receiverPort = Number(process.env['CALLWARD_TEST_RECEIVER'] ?? 0)
const recordsPort = Number(/@[^/]*:(\d+)\//.exec(process.env['CALLWARD_RECORDS'] ?? '')?.[1] ?? 0)

let armed = false
let killAt: number | RegExp = 0
let count = 0

const say = (text: string) => writeSync(2, `killed-at: ${text}\n`)

/** The ledger's sequencer writes once a second whatever happens, versions of runbooks are kept after a start: their points have names and no numbers. */
const besideTheStory = /commit of (?:ledger_\w+( ledger_\w+)*|runbook_versions)$/

/** One point: what is about to happen, or has happened and is not known to the hub yet. */
function point(what: string): void {
  if (!armed) return
  const numbered = what.endsWith('ledger_entries') || !besideTheStory.test(what)
  if (numbered) count += 1
  else if (typeof killAt === 'number') return
  if (typeof killAt === 'number' ? count !== killAt : !killAt.test(what)) return
  say(`killed ${count} ${what}`)
  process.kill(process.pid, 'SIGKILL')
}

/** Follows the statements of one writer from commit to commit. */
class Transaction {
  readonly #tables = new Set<string>()

  statement(sql: string): void {
    const [, verb, table] =
      /^\s*(insert into|update|delete from)\s+[`"]?(\w+)/i.exec(sql) ??
      /\b(insert into|update|delete from)\s+[`"]?(\w+)/i.exec(sql) ??
      []
    if (table === undefined) return
    this.#tables.add(table)
    if (every) point(`before ${verb} ${table}`)
  }

  /** What it writes, when it writes anything; the next begins. */
  commit(): string | undefined {
    const tables = [...this.#tables].sort().join(' ')
    this.#tables.clear()
    if (tables !== '' && mode !== 'states') point(`before the commit of ${tables}`)
    return tables === '' ? undefined : tables
  }
}

/** SQLite: what the main thread asks of the thread that writes. */
function watchWorkers(): void {
  interface Question {
    readonly kind?: string
    readonly id?: number
    readonly scope?: number
    /** Number of a text that goes over once. */
    readonly text?: number
    readonly sql?: string
  }
  interface Watched {
    readonly transaction: Transaction
    /** Statements whose text went over once. */
    readonly texts: Map<number, string>
  }
  const watched = new WeakMap<Worker, Watched>()
  const commits = new WeakMap<Worker, { id: number; tables: string }>()
  const look = (worker: Worker, { kind, id, scope, text, sql }: Question) => {
    const one = watched.get(worker) ?? { transaction: new Transaction(), texts: new Map() }
    watched.set(worker, one)
    if (sql !== undefined && text !== undefined) one.texts.set(text, sql)
    if ((kind === 'statement' || kind === 'send') && scope !== undefined)
      one.transaction.statement(sql ?? one.texts.get(text ?? -1) ?? '')
    if (kind !== 'commit') return
    const tables = one.transaction.commit()
    if (tables !== undefined) commits.set(worker, { id: id ?? -1, tables })
  }
  const post = Worker.prototype.postMessage
  Worker.prototype.postMessage = function (this: Worker, ...[message, ...rest]) {
    for (const question of Array.isArray(message) ? message : [message])
      look(this, (question ?? {}) as Question)
    return post.call(this, message, ...rest)
  }
  Worker.prototype.emit = function (this: Worker, name: string, ...rest: unknown[]) {
    const commit = commits.get(this)
    if (name === 'message' && commit !== undefined) {
      const [reply] = rest as [{ id?: number }?]
      if (reply?.id === commit.id) {
        commits.delete(this)
        point(`after the commit of ${commit.tables}`)
      }
    }
    return EventEmitter.prototype.emit.call(this, name, ...rest)
  } as Worker['emit']
}

/** PostgreSQL's protocol 3: a Query, a Parse of no name, or a Bind of what was parsed under a name before. */
function statementOf(chunk: unknown, names: Map<string, string>): string | undefined {
  if (!Buffer.isBuffer(chunk)) return undefined
  const textAt = (from: number) => chunk.toString('utf8', from, chunk.indexOf(0, from))
  if (chunk[0] === 0x51) return textAt(5)
  if (chunk[0] === 0x50) {
    const name = textAt(5)
    const sql = textAt(6 + name.length)
    if (name === '') return sql
    names.set(name, sql)
  }
  if (chunk[0] === 0x42) return names.get(textAt(6 + textAt(5).length))
  return undefined
}

/** PostgreSQL and webhooks: what goes out by a socket, and the first that comes back. */
function watchSockets(): void {
  interface Watched {
    readonly kind: 'records' | 'receiver'
    readonly transaction: Transaction
    readonly names: Map<string, string>
    writes: boolean
    answer: string | undefined
  }
  const watched = new WeakMap<net.Socket, Watched>()
  const connect = net.Socket.prototype.connect
  net.Socket.prototype.connect = function (this: net.Socket, ...args: unknown[]) {
    const [first] = args
    const options = (Array.isArray(first) ? first[0] : first) as { port?: unknown } | number
    const port = Number(typeof options === 'object' ? options.port : options)
    const kind = port === receiverPort ? 'receiver' : port === recordsPort ? 'records' : undefined
    if (kind !== undefined && port !== 0)
      watched.set(this, {
        kind,
        transaction: new Transaction(),
        names: new Map(),
        writes: false,
        answer: undefined,
      })
    return (connect as (...all: unknown[]) => net.Socket).apply(this, args)
  } as typeof connect
  net.Socket.prototype.write = function (this: net.Socket, ...args: unknown[]) {
    const one = watched.get(this)
    if (one?.kind === 'receiver' && one.answer === undefined) {
      const line = /^POST (\S+)/.exec(String(args[0]))
      if (line !== null) {
        point(`before the send to ${line[1]}`)
        one.answer = `after the send to ${line[1]}`
      }
    }
    const sql = one?.kind === 'records' ? statementOf(args[0], one.names) : undefined
    if (one !== undefined && sql !== undefined) {
      // Only the connection that writes opens transactions.
      if (/^begin /.test(sql)) one.writes = true
      if (one.writes) one.transaction.statement(sql)
      if (one.writes && /(^|; )commit$/.test(sql)) {
        const tables = one.transaction.commit()
        if (tables !== undefined) one.answer = `after the commit of ${tables}`
      }
    }
    return (Duplex.prototype.write as (...all: unknown[]) => boolean).apply(this, args)
  } as net.Socket['write']
  net.Socket.prototype.emit = function (this: net.Socket, name: string, ...rest: unknown[]) {
    const one = name === 'data' ? watched.get(this) : undefined
    // Answers of statements before it may come first.
    const done = one?.kind === 'receiver' || String(rest[0]).includes('COMMIT')
    if (one?.answer !== undefined && done) {
      point(one.answer)
      one.answer = undefined
    }
    return EventEmitter.prototype.emit.call(this, name, ...rest)
  } as net.Socket['emit']
}

/** Time that has passed at once. */
let passed = 0

function watchClocks(): void {
  const wall = Date.now
  const monotonic = performance.now.bind(performance)
  Date.now = () => wall() + passed
  performance.now = () => monotonic() + passed
}

if (isMainThread) {
  watchClocks()
  watchWorkers()
  watchSockets()
  createInterface({ input: process.stdin }).on('line', (line) => {
    const [command, ...rest] = line.split(' ')
    const given = rest.join(' ')
    if (command === 'arm') {
      armed = true
      killAt = /^\d+$/.test(given) ? Number(given) : new RegExp(given)
      count = 0
      say('armed')
    }
    if (command === 'pass') {
      passed += Number(given)
      say('passed')
    }
    if (command === 'count') {
      armed = false
      say(`counted ${count}`)
    }
  })
  process.stdin.unref()
}
