import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Metric, metric } from '../../source.ts'
import type { SectionState } from '../../wire/frames.ts'
import { instantText } from './text.ts'

/** When the maker of the operating system stops mending it, by what the host itself holds. */
export interface EndOfLife {
  readonly state: SectionState
  /** `debian 12`; `unknown` without an os-release file. */
  readonly release: string
  readonly endsAt?: string | 'unknown'
  /** Long-term support of Debian, free of charge. */
  readonly longTermEndsAt?: string
  readonly detail?: string
}

/**
 * Reads `SUPPORT_END` of os-release(5), else the tables of Debian's package distro-info-data. There is no look-up elsewhere:
 * what the host does not hold is `unknown`.
 */
export function endOfLife(rootfs: string): { endOfLife: EndOfLife; metrics: readonly Metric[] } {
  const found = find(rootfs)
  const last = found.longTermEndsAt ?? found.endsAt
  if (last === undefined || last === 'unknown') return { endOfLife: found, metrics: [] }
  const name = 'callward_os_end_of_life_timestamp_seconds'
  return { endOfLife: found, metrics: [metric(name, Date.parse(last) / 1000)] }
}

function find(rootfs: string): EndOfLife {
  const os = osRelease(rootfs)
  const [id, version] = [os.get('ID') ?? 'unknown', os.get('VERSION_ID') ?? '']
  const release = `${id} ${version}`.trim()
  const told = day(os.get('SUPPORT_END'))
  if (told !== undefined) return { state: 'ok', release, endsAt: told }
  const row = /^(debian|ubuntu)$/.test(id) ? tableRow(rootfs, id, version) : undefined
  const endsAt = day(row?.get('eol'))
  if (row === undefined || endsAt === undefined) {
    const detail = 'os-release has no SUPPORT_END, and distro-info-data does not know this release'
    return { state: 'absent', release, endsAt: 'unknown', detail }
  }
  const longTermEndsAt = day(row.get('eol-lts'))
  return {
    state: 'ok',
    release,
    endsAt,
    ...(longTermEndsAt === undefined ? {} : { longTermEndsAt }),
  }
}

function osRelease(rootfs: string): ReadonlyMap<string, string> {
  for (const path of ['etc/os-release', 'usr/lib/os-release']) {
    const text = textOf(join(rootfs, path))
    if (text === undefined) continue
    const pairs = [...text.matchAll(/^([A-Z_]+)=(["']?)(.*)\2$/gm)]
    return new Map(pairs.map(([, key, , value]) => [key!, value!]))
  }
  return new Map()
}

/** The row of one release of distro-info-data's table, by column. */
function tableRow(
  rootfs: string,
  id: string,
  version: string,
): ReadonlyMap<string, string> | undefined {
  const lines = textOf(join(rootfs, `usr/share/distro-info/${id}.csv`))?.split('\n') ?? []
  const columns = lines[0]?.split(',') ?? []
  const row = lines
    .slice(1)
    .map((line) => line.split(','))
    .find(([first]) => version !== '' && first?.split(' ')[0] === version)
  if (row === undefined) return undefined
  return new Map(columns.map((column, i) => [column, row[i] ?? '']))
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** The end of a day, UTC. */
function day(text: string | undefined): string | undefined {
  if (text === undefined || !/^\d{4}-\d{2}-\d{2}$/.test(text)) return undefined
  return instantText(Date.parse(`${text}T23:59:59Z`))
}
