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
/** Into a file or a pipe a line goes so often. */
const noteEveryMillis = 60_000
/** Sooner nothing can be said of the rest. */
const estimateAfterMillis = 5000

/** What is left at the pace so far, for a person: `, about 3 min left`; empty while nothing can be said. */
export function timeLeft(elapsedMillis: number, done: number, of: number): string {
  if (elapsedMillis < estimateAfterMillis || done <= 0 || done >= of) return ''
  const seconds = ((of - done) / done) * (elapsedMillis / 1000)
  if (seconds < 90) return `, about ${Math.ceil(seconds)} s left`
  if (seconds < 5400) return `, about ${Math.round(seconds / 60)} min left`
  return `, about ${(seconds / 3600).toFixed(1)} h left`
}

type Moving = Progress & { end(): void }

/** One line that moves on a terminal, else one line a phase and one a minute; `amount` writes how far it is. */
function movingLine(
  { terminal }: Call,
  amount: (done: number, of: number | undefined) => string,
): Moving {
  const { stderr } = terminal
  let phase = ''
  let shownAt = 0
  let beganAt = 0
  const show: Progress = (next, done, of) => {
    const now = performance.now()
    const every = stderr.isTTY ? showEveryMillis : noteEveryMillis
    if (next === phase && now - shownAt < every) return
    const isNew = next !== phase
    if (isNew) beganAt = now
    phase = next
    shownAt = now
    const text = `${next} ${amount(done, of)}${timeLeft(now - beganAt, done, of ?? done)}`
    if (stderr.isTTY) stderr.write(`\r\x1b[K${text}`)
    else stderr.write(isNew ? `${next} …\n` : `${text}\n`)
  }
  return Object.assign(show, {
    end: () => {
      if (stderr.isTTY && phase !== '') stderr.write('\r\x1b[K')
    },
  })
}

/** Shows progress in bytes on standard error. */
export function progressOf(call: Call): Moving {
  return movingLine(call, (done, of) =>
    of === undefined ? bytesText(done) : `${bytesText(done)} of ${bytesText(Math.max(done, of))}`,
  )
}

/** Shows progress on standard error in what is counted, such as samples. */
export function countProgressOf(call: Call): Moving {
  const shown = (value: number) => value.toLocaleString('en-US')
  return movingLine(call, (done, of) =>
    of === undefined ? shown(done) : `${shown(done)} of ${shown(Math.max(done, of))}`,
  )
}
