import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { type BundleRows, tooMuch } from './bundle-rows.ts'
import type { Database } from './ledger-store.ts'

const maxFiles = 2000
const maxEvidenceBytes = 4 * 1024 * 1024

/** Hashes of the evidence that the hub froze, as the facts shown name them. */
export function evidenceNamed({ tables }: BundleRows): Set<string> {
  const hashes = new Set<string>()
  for (const { kind, value } of tables['incident_facts'] ?? []) {
    if (kind !== 'evidence') continue
    const { hash } = JSON.parse(String(value)) as { hash?: unknown }
    if (typeof hash === 'string' && /^[0-9a-f]{64}$/.test(hash)) hashes.add(hash)
  }
  return hashes
}

/** The JSON as it was frozen; nothing when it is gone, which the verifier then names. */
export async function evidenceOf(read: Database, hash: string): Promise<Buffer | undefined> {
  const row = await read
    .selectFrom('incident_evidence')
    .select('body')
    .where('hash', '=', hash)
    .executeTakeFirst()
  if (row === undefined) return undefined
  try {
    return gunzipSync(Buffer.from(row.body, 'base64'), { maxOutputLength: maxEvidenceBytes })
  } catch {
    return undefined
  }
}

/** Files of the incidents that are shown; each once. */
export function filesOf({ tables }: BundleRows, folder: string): Map<string, string> {
  const files = new Map<string, string>()
  for (const { sha256 } of tables['attachments'] ?? [])
    if (typeof sha256 === 'string' && /^[0-9a-f]{64}$/.test(sha256))
      files.set(sha256, join(folder, sha256))
  if (files.size > maxFiles) tooMuch(`${maxFiles} attached files`)
  return files
}
