import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import Type, { type Static } from 'typebox'
import Value from 'typebox/value'
import { EnrolmentError, writeDurably } from './files.ts'
import { sha256 } from './keys.ts'

const Link = Type.Object({
  /** Sessions so far. */
  counter: Type.Integer({ minimum: 0 }),
  /** Secret that hub and collector alone derive, another with each session; base64url. */
  link: Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' }),
})

/** One link of the chain of sessions. */
export type Link = Readonly<Static<typeof Link>>

const Count = Type.Object({
  enrolment: Type.String(),
  /** The newest that the hub is known to hold. */
  current: Link,
  /** Those of sessions that got no welcome: the hub may hold one of them. Newest last. */
  tried: Type.Array(Link),
})

/** What a collector knows of its sessions. Two copies of it cannot both be right once either has had a session. */
export type SessionCount = Readonly<Static<typeof Count>>

/** Sessions without welcome that are kept; the hub can only hold one of the newest. */
const triedKept = 8
/** Bytes of one slot: the fullest count takes about 900. */
const slotBytes = 2048

export function sessionCountPath(folder: string): string {
  return join(folder, 'session-count')
}

export function withTried(count: SessionCount, link: Link): SessionCount {
  return { ...count, tried: [...count.tried, link].slice(-triedKept) }
}

/**
 * The file of the count: two slots of one size, written in turn and in place, so that a full disk does not keep a host from
 * reporting and a power cut leaves one of them whole.
 */
export class SessionCountFile {
  readonly #path: string
  #sequence: number
  count: SessionCount

  private constructor(path: string, sequence: number, count: SessionCount) {
    this.#path = path
    this.#sequence = sequence
    this.count = count
  }

  /** Makes the file anew. Throws EnrolmentError. */
  static create(folder: string, count: SessionCount): SessionCountFile {
    const file = new SessionCountFile(sessionCountPath(folder), 0, count)
    try {
      writeDurably(sessionCountPath(folder), Buffer.alloc(2 * slotBytes, 0x20), 'w')
      file.save(count)
    } catch (error) {
      throw new EnrolmentError(`${sessionCountPath(folder)} cannot be written: ${String(error)}`)
    }
    return file
  }

  /** Throws EnrolmentError when it is missing, damaged or of another enrolment. */
  static open(folder: string, enrolment: string): SessionCountFile {
    const path = sessionCountPath(folder)
    let bytes: Buffer
    try {
      bytes = readFileSync(path)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      throw new EnrolmentError(`${path} cannot be read (${code}). ${again}`)
    }
    const newest = newestSlot(bytes)
    if (newest === undefined) throw new EnrolmentError(`${path} is damaged. ${again}`)
    if (newest.count.enrolment !== enrolment)
      throw new EnrolmentError(`${path} belongs to another enrolment. ${again}`)
    return new SessionCountFile(path, newest.sequence, newest.count)
  }

  /** Takes what another process of the same folder has written since; two of them take turns then, and are told so. */
  refresh(): void {
    try {
      const newest = newestSlot(readFileSync(this.#path))
      if (newest === undefined || newest.sequence <= this.#sequence) return
      if (newest.count.enrolment !== this.count.enrolment) return
      this.#sequence = newest.sequence
      this.count = newest.count
    } catch {
      // What is known in memory has to do; the next `save` tells.
    }
  }

  /** Takes the count and makes it durable; the count is taken also where the disk refuses, which throws. */
  save(count: SessionCount): void {
    this.count = count
    const sequence = this.#sequence + 1
    const body = JSON.stringify({ sequence, count })
    const text = `${sha256(body).toString('hex')} ${body}\n`
    if (text.length > slotBytes) throw new Error(`BUG: a count of ${text.length} bytes`)
    writeDurably(this.#path, Buffer.from(text.padEnd(slotBytes)), 'r+', (sequence % 2) * slotBytes)
    this.#sequence = sequence
  }
}

const again = 'Enrol this host again: on the hub, callward enrol --host NAME --replace.'

const Slot = Type.Object({ sequence: Type.Integer({ minimum: 1 }), count: Count })

function newestSlot(bytes: Buffer): Readonly<Static<typeof Slot>> | undefined {
  return [0, 1]
    .map((slot) => slotOf(bytes.subarray(slot * slotBytes, (slot + 1) * slotBytes)))
    .filter((slot) => slot !== undefined)
    .sort((a, b) => b.sequence - a.sequence)[0]
}

function slotOf(bytes: Buffer): Readonly<Static<typeof Slot>> | undefined {
  const text = bytes.toString('utf8').trimEnd()
  const body = text.slice(65)
  if (text.slice(0, 64) !== sha256(body).toString('hex')) return undefined
  try {
    const slot: unknown = JSON.parse(body)
    return Value.Check(Slot, slot) ? slot : undefined
  } catch {
    return undefined
  }
}
