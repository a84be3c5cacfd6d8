import { plain } from './render.ts'

const levels: Readonly<Record<number, string>> = { 40: 'warning ', 50: 'ERROR ', 60: 'FATAL ' }
const quietFields = new Set([
  'level',
  'time',
  'msg',
  'program',
  'pid',
  'hostname',
  'reqId',
  'req',
  'res',
  'responseTime',
  'err',
])

/** One of our JSON log lines as a person reads it; undefined for lines nobody needs to see (requests). */
export function formatLogLine(part: string, line: string): string | undefined {
  let entry: Record<string, unknown>
  try {
    entry = JSON.parse(line) as Record<string, unknown>
  } catch {
    return plain(line)
  }
  const message = String(entry['msg'] ?? '')
  if (message === 'incoming request' || message === 'request completed') return undefined
  const time = new Date(String(entry['time'] ?? ''))
  const clock = Number.isNaN(time.getTime()) ? '' : time.toLocaleTimeString('en-GB')
  const fields = Object.entries(entry)
    .filter(([name]) => !quietFields.has(name))
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
  const error = (entry['err'] as { message?: string } | undefined)?.message
  if (error !== undefined) fields.push(`error=${error}`)
  const level = levels[Number(entry['level'])] ?? ''
  // Some of this a collector sent: no escape sequence may reach the terminal.
  return [clock, part.padEnd(9), `${level}${message}`, ...fields]
    .filter((word) => word !== '')
    .map((word) => (word === part.padEnd(9) ? word : plain(word)))
    .join('  ')
}
