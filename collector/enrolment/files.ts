import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import Type, { type Static } from 'typebox'
import Value from 'typebox/value'
import { makeFolder } from '../identity.ts'

const Bytes = Type.String({ pattern: '^[A-Za-z0-9_-]{16,400}$' })
/** More than an enrolment and its count of sessions take. */
const enrolmentBytes = 16 * 1024
const Label = Type.String({ pattern: '^[^\\p{Cc}]{1,128}$' })

/** Labels that the hub's administrator gave the host; its own configuration goes over them. */
export const EnrolledLabels = Type.Object({
  customer: Type.Optional(Label),
  site: Type.Optional(Label),
  role: Type.Optional(Label),
  env: Type.Optional(Label),
})

const EnrolmentFile = Type.Object({
  version: Type.Literal(1),
  enrolment: Type.String({ pattern: '^[0-9a-f-]{36}$' }),
  instance: Label,
  /** Address of the hub, ws: or wss:. */
  hub: Type.String({ pattern: '^wss?://[^/\\s]+' }),
  /** The hub's public key. */
  hubKey: Bytes,
  /** This collector's private key, PKCS #8. */
  privateKey: Bytes,
  /** Of the machine's fingerprint. */
  salt: Bytes,
  labels: EnrolledLabels,
})

/** What a collector keeps of its enrolment; binary members are base64url. */
export type EnrolmentFile = Readonly<Static<typeof EnrolmentFile>>

/** The enrolment cannot be read or written; the message says what to do. */
export class EnrolmentError extends Error {}

export function enrolmentPath(folder: string): string {
  return join(folder, 'enrolment.json')
}

/** The enrolment kept in a collector's folder; undefined when there is none. Throws EnrolmentError for a damaged one. */
export function readEnrolment(folder: string): EnrolmentFile | undefined {
  const path = enrolmentPath(folder)
  let content: unknown
  try {
    content = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new EnrolmentError(
      `The enrolment in ${path} cannot be read (${code ?? 'not JSON'}). Give the collector's user read permission, or enrol this host again.`,
    )
  }
  if (Value.Check(EnrolmentFile, content)) return content
  throw new EnrolmentError(`${path} is damaged. Enrol this host again: on the hub, callward enrol.`)
}

/** Throws EnrolmentError when an enrolment could not be kept in the folder: better known before a token is used up. */
export function requireRoom(folder: string): void {
  const draft = `${enrolmentPath(folder)}.new`
  inFolder(folder, () => {
    makeFolder(folder)
    rmSync(draft, { force: true })
    writeDurably(draft, Buffer.alloc(enrolmentBytes, 0x20), 'wx')
    rmSync(draft)
  })
}

/** Writes the enrolment, readable by its user only, whole or not at all. Throws EnrolmentError. */
export function writeEnrolment(folder: string, enrolment: EnrolmentFile): void {
  const path = enrolmentPath(folder)
  inFolder(folder, () => {
    makeFolder(folder)
    const draft = `${path}.new`
    rmSync(draft, { force: true })
    writeDurably(draft, Buffer.from(`${JSON.stringify(enrolment, undefined, 2)}\n`), 'wx')
    renameSync(draft, path)
    syncFolder(dirname(path))
  })
}

function inFolder(folder: string, work: () => void): void {
  try {
    work()
  } catch (error) {
    throw new EnrolmentError(
      `The collector cannot write to its folder ${folder}: ${error instanceof Error ? error.message : String(error)}. ` +
        'Run this as the collector’s user, or set CALLWARD_DATA to a folder it owns.',
    )
  }
}

/** Writes at `position` and waits for the disk. */
export function writeDurably(path: string, bytes: Buffer, flags: string, position = 0): void {
  const file = openSync(path, flags, 0o600)
  try {
    writeSync(file, bytes, 0, bytes.length, position)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

function syncFolder(folder: string): void {
  const file = openSync(folder, 'r')
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}
