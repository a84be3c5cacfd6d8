import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { hmac, toBase64url } from './keys.ts'

/** Where a machine's own facts are read. */
export interface MachineRoots {
  readonly rootfs: string
  readonly sys: string
}

/** Facts that tell one machine from another, by name; what is not there or may not be read is left out. They never leave the host. */
export type MachineFacts = Readonly<Record<string, string>>

/** Bytes read of one fact. */
const factBytes = 4096
const hashBytes = 16

/**
 * `machine-id` (man 5 machine-id) and `product-uuid` (DMI type 1) name the machine; `product-uuid` and `board-serial` are for root
 * only on most systems. `first-boot` is when machine-id was written, which a copy of files changes and a copy of a disk does not.
 */
export function machineFacts({ rootfs, sys }: MachineRoots): MachineFacts {
  const machineId = join(rootfs, 'etc/machine-id')
  const dmi = join(sys, 'class/dmi/id')
  const found: Record<string, string | undefined> = {
    'machine-id': line(machineId),
    'product-uuid': line(join(dmi, 'product_uuid')),
    'board-serial': line(join(dmi, 'board_serial')),
    product: joined([line(join(dmi, 'sys_vendor')), line(join(dmi, 'product_name'))]),
    'first-boot': bornAt(machineId),
  }
  const facts: Record<string, string> = {}
  for (const [name, value] of Object.entries(found)) if (value !== undefined) facts[name] = value
  return facts
}

/** The facts as the hub gets them: 16 bytes of HMAC-SHA-256 under the enrolment's salt, which the hub never sees. */
export function machineFingerprint(facts: MachineFacts, salt: Uint8Array): Record<string, string> {
  return Object.fromEntries(
    Object.entries(facts).map(([name, value]) => [
      name,
      toBase64url(hmac(salt, `${name}\0${value}`).subarray(0, hashBytes)),
    ]),
  )
}

function line(path: string): string | undefined {
  try {
    if (!statSync(path).isFile()) return undefined
    const text = readFileSync(path, 'utf8').slice(0, factBytes).trim()
    // `uninitialized` stands in an image that has not booted yet (man 5 machine-id).
    return text === '' || text === 'uninitialized' ? undefined : text
  } catch {
    return undefined
  }
}

function joined(parts: readonly (string | undefined)[]): string | undefined {
  const known = parts.filter((part) => part !== undefined)
  return known.length === 0 ? undefined : known.join(' ')
}

/** Birth time in whole milliseconds; undefined where the file system keeps none. */
function bornAt(path: string): string | undefined {
  try {
    const { birthtimeMs } = statSync(path)
    return birthtimeMs > 0 ? String(Math.floor(birthtimeMs)) : undefined
  } catch {
    return undefined
  }
}
