import { BytesError, type ByteWriter } from '../bytes.ts'

/** Longest run of bits that one stream may hold, in 32-bit words; a chunk of numbers needs less. */
const maxWords = 4096

/** Room behind the end, so that one group of codes can be read before the end is looked at. */
const slackWords = 256

/** Bits packed from the highest of each byte on. */
export class BitWriter {
  private readonly words = new Uint32Array(maxWords)
  private word = 0
  private free = 32
  private count = 0

  begin(): void {
    this.word = 0
    this.free = 32
    this.count = 0
  }

  /** The lower `bits` (1 to 32) of `value`; the others must be zero. */
  put(value: number, bits: number): void {
    const free = this.free
    if (bits < free) {
      this.word |= value << (free - bits)
      this.free = free - bits
      return
    }
    const over = bits - free
    this.words[this.count++] = this.word | (value >>> over)
    this.word = over === 0 ? 0 : value << (32 - over)
    this.free = 32 - over
  }

  /**
   * Numbers below 2^30 as rice.ts says, those whose quotient by 2^k is below `mostQuotient`; `less`: 1 when a bit before each tells zero from
   * the rest. Stops at the first that must be escaped; returns its index, or `count`.
   */
  putCodes(
    ints: Int32Array,
    from: number,
    count: number,
    k: number,
    less: number,
    mostQuotient: number,
  ): number {
    const { words } = this
    let { word, free, count: at } = this
    const mask = (1 << k) - 1
    const stop = 1 << k
    let i = from
    for (; i < count; i++) {
      const u = ints[i]! - less
      let bits = 1
      let code = 0
      if (u >= 0) {
        const quotient = u >>> k
        if (quotient >= mostQuotient) break
        bits = quotient + 1 + k
        if (bits + less > 32) break
        code = stop | (u & mask)
        if (less === 1) {
          // The flag, the zeros of the quotient, its one and the rest.
          code |= 1 << bits
          bits++
        }
      }
      if (bits < free) {
        free -= bits
        word |= code << free
      } else {
        const over = bits - free
        words[at++] = word | (code >>> over)
        free = 32 - over
        word = over === 0 ? 0 : code << free
      }
    }
    this.word = word
    this.free = free
    this.count = at
    return i
  }

  /** Whole bytes of what was put; the last is filled with zeros. */
  finish(writer: ByteWriter): void {
    writer.reserve(this.count * 4 + 4)
    const { buffer } = writer
    let at = writer.length
    for (let i = 0; i < this.count; i++) {
      const word = this.words[i]!
      buffer[at] = word >>> 24
      buffer[at + 1] = word >>> 16
      buffer[at + 2] = word >>> 8
      buffer[at + 3] = word
      at += 4
    }
    for (let left = 32 - this.free, shift = 24; left > 0; left -= 8, shift -= 8)
      buffer[at++] = this.word >>> shift
    writer.length = at
  }
}

/** Bits of one stream as words; zeros follow the end. */
export class BitSource {
  readonly words = new Uint32Array(maxWords + slackWords)
  /** Bits there are. */
  end = 0
  /** Next bit to read. */
  at = 0
  private used = 0

  /** Loads bytes [from, to) of a buffer. */
  load(buffer: Buffer, from: number, to: number): void {
    const length = to - from
    const whole = length >> 2
    if (whole >= maxWords) throw new BytesError(`a chunk of ${length} bytes is too long`)
    const { words } = this
    for (let i = 0, at = from; i < whole; i++, at += 4) {
      words[i] =
        (buffer[at]! << 24) | (buffer[at + 1]! << 16) | (buffer[at + 2]! << 8) | buffer[at + 3]!
    }
    let last = 0
    for (let at = from + whole * 4, shift = 24; at < to; at++, shift -= 8)
      last |= buffer[at]! << shift
    words[whole] = last
    const cleared = whole + 1 + slackWords
    words.fill(0, whole + 1, Math.min(Math.max(cleared, this.used), words.length))
    this.used = cleared
    this.end = length * 8
    this.at = 0
  }

  /** The next 1 to 32 bits as a whole number; the end is checked by `checkEnd`. */
  take(bits: number): number {
    const at = this.at
    const word = at >>> 5
    const shift = at & 31
    const window =
      shift === 0
        ? this.words[word]!
        : (this.words[word]! << shift) | (this.words[word + 1]! >>> (32 - shift))
    this.at = at + bits
    return window >>> (32 - bits)
  }

  /** Throws BytesError when more was read than there is. */
  checkEnd(): void {
    if (this.at > this.end) throw new BytesError('a chunk ends early')
  }
}
