import { number } from '../source.ts'

/** What an array does now, in node_exporter's words. */
export type ArrayState = 'active' | 'inactive' | 'recovering' | 'resync' | 'check' | 'reshape'

/** One array of /proc/mdstat. Blocks are of 1 KiB. */
export interface MdArray {
  readonly device: string
  readonly state: ArrayState
  readonly required: number
  readonly active: number
  readonly failed: number
  readonly spare: number
  readonly blocks: number
  /** Blocks in step so far while it syncs, else all of them. */
  readonly blocksSynced: number
}

const syncWords = [
  ['recovery', 'recovering'],
  ['reshape', 'reshape'],
  ['resync', 'resync'],
  ['check', 'check'],
] as const

/** Reads /proc/mdstat (man 4 md; kernel's admin-guide/md.rst). Throws on an array it cannot understand: half a RAID must not look whole. */
export function parseMdstat(text: string): MdArray[] {
  const lines = text.split('\n')
  const arrays: MdArray[] = []
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!
    if (!/^\S+ : (active|inactive)/.test(line)) continue
    const further: string[] = []
    for (let k = i + 1; /^\s+\S/.test(lines[k] ?? ''); k++) further.push(lines[k]!)
    arrays.push(parseArray(line, further))
  }
  return arrays
}

function parseArray(line: string, further: readonly string[]): MdArray {
  const [device = '', , word] = line.split(/\s+/)
  const status = further[0] ?? ''
  const blocks = number(/^\s*(\d+) blocks/.exec(status)?.[1], `mdstat ${device} blocks`)
  const failed = count(line, '(F)')
  const spare = count(line, '(S)')
  if (word === 'inactive') {
    const none = { required: 0, active: 0, blocks, blocksSynced: blocks }
    return { device, state: 'inactive', failed, spare, ...none }
  }
  const { required, active } = members(device, line, status)
  const progress = further.find((one) => /\s(recovery|reshape|resync|check)\s*=/.test(one))
  const state = syncWords.find(([text]) => progress?.includes(text))?.[1] ?? 'active'
  const blocksSynced = progress === undefined ? blocks : synced(device, progress)
  return { device, state, required, active, failed, spare, blocks, blocksSynced }
}

/** `[2/1] [U_]`; arrays without redundancy have no such part: all their disks are needed and there. */
function members(
  device: string,
  line: string,
  status: string,
): { required: number; active: number } {
  const match = /\[(\d+)\/(\d+)\] \[[U_]+\]/.exec(status)
  if (match !== null) return { required: Number(match[1]), active: Number(match[2]) }
  if (/ (raid0|linear) /.test(line)) {
    const disks = count(line, '[')
    return { required: disks, active: disks }
  }
  throw new Error(`mdstat ${device}: no member count in "${status.trim()}"`)
}

function synced(device: string, progress: string): number {
  if (/PENDING|DELAYED|REMOTE/.test(progress)) return 0
  return number(/\((\d+)\/\d+\)/.exec(progress)?.[1], `mdstat ${device} progress`)
}

function count(text: string, part: string): number {
  return text.split(part).length - 1
}
