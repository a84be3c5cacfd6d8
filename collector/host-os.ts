import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Name and version of the operating system by its os-release file (man 5 os-release); `unknown` where there is none. */
export function readHostOs(rootfs: string): { name: string; version: string } {
  for (const path of ['etc/os-release', 'usr/lib/os-release']) {
    try {
      return parseOsRelease(readFileSync(join(rootfs, path), 'utf8'))
    } catch {
      // Not there: the next place, or unknown.
    }
  }
  return { name: 'unknown', version: 'unknown' }
}

export function parseOsRelease(text: string): { name: string; version: string } {
  const of = (key: string) => {
    const value = new RegExp(`^${key}=(.*)$`, 'm').exec(text)?.[1]?.trim()
    return value?.replace(/^(["'])(.*)\1$/, '$2') || undefined
  }
  return { name: of('NAME') ?? 'unknown', version: of('VERSION_ID') ?? 'unknown' }
}
