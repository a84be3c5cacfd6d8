import type { Progress } from '../backup/backup-file.ts'
import type { Call } from './command.ts'

/** Bytes for a person: `12.3 MB`. */
export function bytesText(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000
  return unit === 0 ? `${bytes} bytes` : `${value.toFixed(1)} ${units[unit]}`
}

const showEveryMillis = 200

/** Shows progress on standard error: one line that moves on a terminal, else one line a phase. */
export function progressOf({ terminal }: Call): Progress & { end(): void } {
  const { stderr } = terminal
  let phase = ''
  let shownAt = 0
  const show: Progress = (next, done, of) => {
    if (!stderr.isTTY) {
      if (next !== phase) stderr.write(`${next} …\n`)
      phase = next
      return
    }
    const now = performance.now()
    if (next === phase && now - shownAt < showEveryMillis) return
    phase = next
    shownAt = now
    const amount = of === undefined ? '' : ` of ${bytesText(Math.max(done, of))}`
    stderr.write(`\r\x1b[K${next} ${bytesText(done)}${amount}`)
  }
  return Object.assign(show, {
    end: () => {
      if (stderr.isTTY && phase !== '') stderr.write('\r\x1b[K')
    },
  })
}
