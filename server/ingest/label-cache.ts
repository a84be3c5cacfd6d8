import type { SeriesId } from '../store/writer.ts'

/** Bytes of label sections kept; 200,000 series of 11 labels take about 60 MB. */
export const labelCacheBytes = 64 * 1024 * 1024

const firstEntries = 1024

function grown<T extends Uint32Array | Int32Array>(full: T, make: (length: number) => T): T {
  const larger = make(full.length * 2)
  larger.set(full)
  return larger
}

/**
 * Series by the bytes of their labels as a sender encodes them: a sender repeats its series, so a label set is parsed and
 * interned once. An answer is never by hash alone, the bytes are compared. Senders also repeat the order of their series:
 * what followed an entry last time is tried first, which spares the hash. Bounded: when full it begins anew once as many
 * lookups failed as there are entries.
 */
export class LabelCache {
  readonly #maxBytes: number
  #bytes = new Uint8Array(65_536)
  #view = new DataView(this.#bytes.buffer)
  #used = 0
  #count = 0
  #missesWhileFull = 0
  /** Open addressing; an entry's number plus 1, 0 is free. */
  #slots = new Uint32Array(firstEntries * 2)
  #hashes = new Int32Array(firstEntries)
  #starts = new Uint32Array(firstEntries)
  #lengths = new Uint32Array(firstEntries)
  #ids = new Uint32Array(firstEntries)
  /** The entry that followed last time, plus 1. */
  #next = new Uint32Array(firstEntries)
  /** Index in `#instances`. */
  #hosts = new Uint32Array(firstEntries)
  #instances: (string | undefined)[] = []
  #hostOf = new Map<string | undefined, number>()
  #last = 0

  constructor(maxBytes: number = labelCacheBytes) {
    this.#maxBytes = maxBytes
  }

  /** Entries held. */
  get size(): number {
    return this.#count
  }

  /** Bytes of label sections held. */
  get bytes(): number {
    return this.#used
  }

  /** The entry that followed the last one found, when its bytes stand at `start` and end by `end`; else -1. */
  expected(view: DataView, start: number, end: number): number {
    const entry = (this.#next[this.#last] ?? 0) - 1
    if (entry < 0) return -1
    const length = this.#lengths[entry]!
    return length <= end - start && this.#same(entry, view, start, length) ? entry : -1
  }

  /** The entry of the bytes from `start` to `end`; -1 when it is not known. */
  find(view: DataView, start: number, end: number): number {
    const length = end - start
    const hash = hashOf(view, start, end)
    const mask = this.#slots.length - 1
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const entry = this.#slots[slot]! - 1
      if (entry < 0) break
      if (
        this.#hashes[entry] === hash &&
        this.#lengths[entry] === length &&
        this.#same(entry, view, start, length)
      )
        return entry
    }
    if (this.#used + length > this.#maxBytes) this.#missesWhileFull++
    return -1
  }

  /** Notes that `entry` came now, after the one noted before. */
  came(entry: number): void {
    this.#next[this.#last] = entry + 1
    this.#last = entry
  }

  length(entry: number): number {
    return this.#lengths[entry]!
  }

  id(entry: number): SeriesId {
    return this.#ids[entry]!
  }

  /** The label `instance` of an entry. */
  instance(entry: number): string | undefined {
    return this.#instances[this.#hosts[entry]!]
  }

  /** Keeps what `find` did not know. Entries found before may be other ones afterwards. */
  add(
    view: DataView,
    start: number,
    end: number,
    id: SeriesId,
    instance: string | undefined,
  ): void {
    const length = end - start
    if (this.#used + length > this.#maxBytes) {
      if (length > this.#maxBytes || this.#missesWhileFull < this.#count) return
      this.#clear()
    }
    if (this.find(view, start, end) >= 0) return
    if (this.#count === this.#hashes.length) this.#growEntries()
    this.#reserve(this.#used + length)
    const entry = this.#count++
    this.#bytes.set(new Uint8Array(view.buffer, view.byteOffset + start, length), this.#used)
    this.#hashes[entry] = hashOf(view, start, end)
    this.#starts[entry] = this.#used
    this.#lengths[entry] = length
    this.#ids[entry] = id
    this.#hosts[entry] = this.#hostIndex(instance)
    this.#next[entry] = 0
    this.#used += length
    this.#place(entry)
  }

  #hostIndex(instance: string | undefined): number {
    let index = this.#hostOf.get(instance)
    if (index === undefined) {
      index = this.#instances.push(instance) - 1
      this.#hostOf.set(instance, index)
    }
    return index
  }

  #same(entry: number, view: DataView, start: number, length: number): boolean {
    const held = this.#view
    let theirs = this.#starts[entry]!
    let ours = start
    const whole = start + length - 3
    for (; ours < whole; ours += 4, theirs += 4)
      if (view.getInt32(ours, true) !== held.getInt32(theirs, true)) return false
    for (const end = start + length; ours < end; ours++, theirs++)
      if (view.getUint8(ours) !== held.getUint8(theirs)) return false
    return true
  }

  #place(entry: number): void {
    const mask = this.#slots.length - 1
    let slot = this.#hashes[entry]! & mask
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask
    this.#slots[slot] = entry + 1
  }

  #growEntries(): void {
    const unsigned = (length: number) => new Uint32Array(length)
    this.#hashes = grown(this.#hashes, (length) => new Int32Array(length))
    this.#starts = grown(this.#starts, unsigned)
    this.#lengths = grown(this.#lengths, unsigned)
    this.#ids = grown(this.#ids, unsigned)
    this.#next = grown(this.#next, unsigned)
    this.#hosts = grown(this.#hosts, unsigned)
    this.#slots = new Uint32Array(this.#slots.length * 2)
    for (let entry = 0; entry < this.#count; entry++) this.#place(entry)
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#bytes.length) return
    let length = this.#bytes.length
    while (length < bytes) length *= 2
    const larger = new Uint8Array(length)
    larger.set(this.#bytes.subarray(0, this.#used))
    this.#bytes = larger
    this.#view = new DataView(larger.buffer)
  }

  #clear(): void {
    this.#used = 0
    this.#count = 0
    this.#missesWhileFull = 0
    this.#last = 0
    this.#slots.fill(0)
    this.#next.fill(0)
    this.#instances = []
    this.#hostOf.clear()
  }
}

function hashOf(view: DataView, start: number, end: number): number {
  let hash = end - start
  let at = start
  for (; at + 4 <= end; at += 4) {
    hash = Math.imul(hash ^ view.getInt32(at, true), 0x9e3779b1)
    hash ^= hash >>> 15
  }
  for (; at < end; at++) hash = Math.imul(hash ^ view.getUint8(at), 0x85ebca6b)
  return hash ^ (hash >>> 13)
}
