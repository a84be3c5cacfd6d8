import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto'
import { CallwardError } from '../errors.ts'

/** Cost of scrypt: N = 2^logN. One hash takes 128 · N · r bytes of memory. */
export interface PasswordCost {
  readonly logN: number
  readonly r: number
  readonly p: number
}

/** OWASP Password Storage Cheat Sheet: scrypt with N = 2^17, r = 8, p = 1, which is 128 MiB. */
export const passwordCost: PasswordCost = { logN: 17, r: 8, p: 1 }

/** Characters (code points) of a password; NIST SP 800-63B asks for no rules of composition. */
export const passwordCharacters = { fewest: 12, most: 256 } as const

const saltBytes = 16
const hashBytes = 32
/** What is stored may cost no more than this, whoever wrote it there. */
const dearest = { logN: 20, memory: 512 * 1024 * 1024 }

/** What everybody tries first, of twelve characters or more; compared without case, spaces and marks. */
const refusedPasswords: ReadonlySet<string> = new Set([
  'administrator',
  'passwordpassword',
  'password1234',
  'password12345',
  'password123456',
  'adminadminadmin',
  'qwertyuiopas',
  'qwertyuiop123',
  'qwerty123456',
  '1q2w3e4r5t6y',
  '123qweasdzxc',
  'letmeinletmein',
  'welcome12345',
  'iloveyou1234',
  'changeme1234',
  'changemechangeme',
  'correcthorsebatterystaple',
  'abcdefghijkl',
  'abcd12345678',
  'asdfghjkl123',
  'trustno1trustno1',
  'callwardcallward',
])

/** What is wrong with a password that somebody wants, as a sentence; undefined when nothing is. `about`: words that only name its owner. */
export function passwordFault(password: string, about: readonly string[]): string | undefined {
  const { length } = [...password]
  const { fewest, most } = passwordCharacters
  if (length < fewest)
    return `The password has ${length} characters; choose one of ${fewest} or more. Four words that have nothing to do with each other are easy to keep.`
  if (length > most) return `The password has ${length} characters; ${most} at most.`
  const bare = password.toLowerCase().replace(/[\s._@-]/g, '')
  const own = about.map((word) => word.toLowerCase().replace(/[\s._@-]/g, ''))
  const kinds = new Set(bare).size
  const common =
    refusedPasswords.has(bare) || kinds < 5 || isRun(bare) || own.some((word) => only(bare, word))
  return common
    ? 'This password is one of the first that others would try; choose another. Four words that have nothing to do with each other are easy to keep.'
    : undefined
}

/** `123456789012`, `abcdefghijklm`: each character follows the one before. */
function isRun(text: string): boolean {
  const codes = [...text].map((one) => one.codePointAt(0) ?? 0)
  const steps = new Set(codes.slice(1).map((code, at) => code - (codes[at] ?? 0)))
  const digits = /^\d+$/.test(text) && [...steps].every((step) => step === 1 || step === -9)
  return (steps.size <= 1 && codes.length > 1) || digits
}

/** Whether a text is a word with no more than digits around it, or that word again and again. */
function only(text: string, word: string): boolean {
  return word.length >= 3 && text.includes(word) && /^\d*!*$/.test(text.replaceAll(word, ''))
}

/** Hashes passwords off the main thread, a few at a time, so that guesses cannot use up the memory. */
export class PasswordHasher {
  /** 2 x 128 MiB at the default cost; two more threads of the pool stay with the disk. */
  static readonly atOnce = 2
  /** Sign-ins that wait for their turn; the next is refused. */
  static readonly waitingMost = 16
  readonly #cost: PasswordCost
  readonly #queue: (() => void)[] = []
  #running = 0

  constructor(cost: PasswordCost = passwordCost) {
    this.#cost = cost
  }

  /** A stored form with its own salt and cost. Throws too_many_requests. */
  async hash(password: string): Promise<string> {
    const salt = randomBytes(saltBytes)
    const hash = await this.#inTurn(() => derive(password, salt, this.#cost, hashBytes))
    const { logN, r, p } = this.#cost
    return `$scrypt$ln=${logN},r=${r},p=${p}$${base64(salt)}$${base64(hash)}`
  }

  /**
   * Whether a password is the stored one; without a stored one the same work is done for nothing. Throws too_many_requests, and
   * Error for what is no stored form.
   */
  async verify(password: string, stored: string | null | undefined): Promise<boolean> {
    const known = stored === null || stored === undefined ? undefined : parseStored(stored)
    const { salt, hash, cost } = known ?? {
      salt: Buffer.alloc(saltBytes),
      hash: Buffer.alloc(hashBytes),
      cost: this.#cost,
    }
    const given = await this.#inTurn(() => derive(password, salt, cost, hash.length))
    return timingSafeEqual(given, hash) && known !== undefined
  }

  /** Whether a stored form cost less than new ones do. */
  isCheap(stored: string): boolean {
    const { cost } = parseStored(stored)
    const { logN, r, p } = this.#cost
    return cost.logN < logN || cost.r < r || cost.p < p
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= PasswordHasher.atOnce) {
      if (this.#queue.length >= PasswordHasher.waitingMost)
        throw new CallwardError(
          'too_many_requests',
          'Too many people are signing in at this moment; try again in a few seconds.',
        )
      // Whoever leaves hands the place on, so the count stays.
      await new Promise<void>((resolve) => this.#queue.push(resolve))
    } else this.#running += 1
    try {
      return await work()
    } finally {
      const next = this.#queue.shift()
      if (next === undefined) this.#running -= 1
      else next()
    }
  }
}

function parseStored(stored: string): { salt: Buffer; hash: Buffer; cost: PasswordCost } {
  const match = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,3}),p=(\d{1,3})\$([\w+/-]+)\$([\w+/-]+)$/.exec(
    stored,
  )
  if (match === null) throw new Error('a stored password has a form this version does not know')
  const [, logN, r, p, salt = '', hash = ''] = match
  const cost = { logN: Number(logN), r: Number(r), p: Number(p) }
  if (cost.logN > dearest.logN || memoryOf(cost) > dearest.memory)
    throw new Error('a stored password asks for more memory than may be used')
  return { salt: Buffer.from(salt, 'base64url'), hash: Buffer.from(hash, 'base64url'), cost }
}

function memoryOf({ logN, r, p }: PasswordCost): number {
  return 128 * 2 ** logN * r + 128 * r * p
}

function derive(
  password: string,
  salt: Buffer,
  cost: PasswordCost,
  length: number,
): Promise<Buffer> {
  // One way to write each character, whichever keyboard it came from (NIST SP 800-63B §5.1.1.2).
  const text = password.normalize('NFKC')
  const options: ScryptOptions = {
    N: 2 ** cost.logN,
    r: cost.r,
    p: cost.p,
    maxmem: memoryOf(cost) + 1024 * 1024,
  }
  return new Promise((resolve, reject) => {
    scrypt(text, salt, length, options, (error, key) => {
      if (error === null) resolve(key)
      else reject(error)
    })
  })
}

function base64(bytes: Buffer): string {
  return bytes.toString('base64url')
}

/** What two names that people take for the same have in common. */
export function nameKey(name: string): string {
  return name.normalize('NFKC').toLowerCase()
}
