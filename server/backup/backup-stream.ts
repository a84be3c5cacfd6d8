import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { rfc3339 } from '../clock.ts'
import type { Contents } from './contents.ts'
import { backupFormat, type Manifest, manifestName } from './manifest.ts'
import { tarEnd, tarHeader, tarPadding } from './tar.ts'

const chunkBytes = 256 * 1024

/** A backup as a tar file: the contents, each as it is read, and the manifest last. */
export async function* backupStream(
  contents: Contents,
  hub: { readonly version: string; readonly demo: boolean; readonly now: number },
): AsyncGenerator<Buffer> {
  const files: Manifest['files'] = []
  for (const { path, from, bytes } of contents.files) {
    yield tarHeader(path, bytes, hub.now)
    const hash = createHash('sha256')
    for await (const chunk of content(from, bytes)) {
      hash.update(chunk)
      yield chunk
    }
    yield tarPadding(bytes)
    files.push({ path, bytes, sha256: hash.digest('hex') })
  }
  const manifest: Manifest = {
    format: backupFormat,
    callward: hub.version,
    madeAt: rfc3339(hub.now),
    demo: hub.demo,
    store: contents.store,
    records: contents.records,
    files,
  }
  const text = Buffer.from(`${JSON.stringify(manifest, undefined, 2)}\n`)
  yield tarHeader(manifestName, text.length, hub.now)
  yield text
  yield tarPadding(text.length)
  yield tarEnd
}

async function* content(path: string, bytes: number): AsyncGenerator<Buffer> {
  const file = await open(path, 'r')
  try {
    for (let at = 0; at < bytes; ) {
      const chunk = Buffer.allocUnsafe(Math.min(chunkBytes, bytes - at))
      const { bytesRead } = await file.read(chunk, 0, chunk.length, at)
      if (bytesRead === 0) throw new Error(`BUG: ${path} has only ${at} of ${bytes} bytes`)
      yield chunk.subarray(0, bytesRead)
      at += bytesRead
    }
  } finally {
    await file.close()
  }
}
