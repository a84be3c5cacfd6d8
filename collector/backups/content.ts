import { spawn } from 'node:child_process'
import { closeSync, constants, createReadStream, openSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { trustedPath } from '../trusted-program.ts'
import type { Packing } from './file-form.ts'
import { trusted } from './tool.ts'
import { BackupError, fileTrouble, troubleOf } from './trouble.ts'

/** Programs that unpack from standard input what Node cannot. */
const unpackers = { zstd: 'zstd', xz: 'xz', bzip2: 'bzip2' } as const

/**
 * The unpacked content of a backup file, in pieces; the memory it takes does not grow with the file. Throws BackupError: `damaged`
 * for a packed file that ends early or whose checksum is wrong.
 */
export async function* contentOf(
  path: string,
  packing: Packing,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  const { stream, done, end } = unpacked(path, packing)
  try {
    for await (const chunk of stream) {
      if (signal?.aborted === true) throw new BackupError('stopped', 'it was stopped')
      yield chunk as Buffer // no encoding is set
    }
    await done
  } catch (error) {
    throw fileTrouble(error)
  } finally {
    end()
  }
}

interface Unpacked {
  readonly stream: Readable
  /** Settles when the program that unpacks has ended. */
  readonly done: Promise<void>
  readonly end: () => void
}

function unpacked(path: string, packing: Packing): Unpacked {
  // Not through a link: what it shows to may change between a look and this.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW
  if (packing === undefined || packing === 'gzip') {
    const file = createReadStream(path, {
      flags: flags as unknown as string,
      highWaterMark: 262_144,
    }) // fs.open takes numbers
    if (packing === undefined)
      return { stream: file, done: Promise.resolve(), end: () => file.destroy() }
    const stream = createGunzip()
    file.on('error', (error) => stream.destroy(error))
    file.pipe(stream)
    const end = () => {
      file.destroy()
      stream.destroy()
    }
    return { stream, done: Promise.resolve(), end }
  }
  const program = unpackers[packing]
  const place = trusted(program)
  const source = openSync(path, flags)
  const child = spawn(place, ['-dc'], {
    stdio: [source, 'pipe', 'pipe'],
    env: { PATH: trustedPath(), LC_ALL: 'C.UTF-8' },
  })
  closeSync(source)
  let said = ''
  child.stderr!.setEncoding('utf8').on('data', (chunk: string) => {
    said = (said + chunk).slice(-4096)
  })
  const done = new Promise<void>((resolve, reject) => {
    child.once('error', (error) => {
      const isMissing = 'code' in error && error.code === 'ENOENT'
      const text = `${program} is not installed on this host`
      reject(isMissing ? new BackupError('toolMissing', text) : fileTrouble(error))
    })
    child.once('close', (code) => {
      if (code === 0) return resolve()
      const text = 'what is stored is damaged: it cannot be unpacked to its end'
      const error = troubleOf(program, code ?? undefined, said)
      const isUnknown = error.trouble.code === 'failed' && code === 1
      reject(isUnknown ? new BackupError('damaged', text, said) : error)
    })
  })
  done.catch(() => {}) // awaited when the content has ended
  return { stream: child.stdout!, done, end: () => child.kill('SIGKILL') }
}
