import { arch } from 'node:os'
import { type Metric, metric, number, stateOfError } from '../source.ts'
import { type Answer, ask, whyNotTrusted } from '../trusted-program.ts'
import type { Findings, Survey } from './survey.ts'

const limits = { milliseconds: 5000, bytes: 4096 }

/** System call number of adjtimex by Node's name of the architecture (kernel's syscall tables). */
const callNumbers: Readonly<Record<string, number>> = { x64: 159, arm64: 171 }

/** The fields of struct timex on 64-bit machines (man 2 adjtimex), without the time itself. */
const fields = [
  ...['state', 'offset', 'freq', 'maxerror', 'esterror', 'status', 'constant', 'precision'],
  ...['tolerance', 'seconds', 'microseconds', 'tick', 'ppsfreq', 'jitter', 'shift', 'stabil'],
  ...['jitcnt', 'calcnt', 'errcnt', 'stbcnt', 'tai'],
] as const
type Field = (typeof fields)[number]

/** Both ask with no mode set, which changes nothing and needs no right; where the call is refused they print its errno. */
const commands = (call: number): readonly (readonly [string, readonly string[]])[] => [
  [
    '/usr/bin/perl',
    [
      '-e',
      `my $b = "\\0" x 208; my $r = syscall(${call}, $b); if ($r < 0) { print "errno ", $! + 0; exit 1 } print join(" ", $r, unpack("x8 q4 l x4 q8 l x4 q5 l", $b))`,
    ],
  ],
  [
    '/usr/bin/python3',
    [
      '-c',
      'import ctypes, struct\nb = ctypes.create_string_buffer(208)\nr = ctypes.CDLL(None, use_errno=True).adjtimex(b)\nif r < 0: raise SystemExit(print("errno", ctypes.get_errno()) or 1)\nprint(r, *struct.unpack_from("=8x4qi4x8qi4x5qi", b))',
    ],
  ],
]

/**
 * What the kernel's clock says of itself: synchronised or not, and how far it may be off. adjtimex(2) stands in no file and Node cannot
 * call it, so a one-line script does, every 15 minutes. Names: node_exporter `timex`.
 */
export const kernelClockSurvey: Survey = {
  name: 'kernel_clock',
  everyMilliseconds: 900_000,
  limitMilliseconds: 15_000,
  take: takeKernelClock,
}

async function takeKernelClock(): Promise<Findings> {
  const call = callNumbers[arch()]
  if (call === undefined) return absent(`adjtimex is not known on ${arch()}`)
  for (const [command, argv] of commands(call)) {
    const distrust = distrustOf(command)
    if (distrust === 'absent') continue
    if (distrust !== undefined) throw new Error(`not asked: ${distrust}`)
    const answer = await ask(command, argv, limits)
    const { text, code } = answer
    if (code !== 0) return refused(command, answer)
    const sections = [{ name: 'kernel_clock', state: 'ok', detail: '' }] as const
    return { sections, documents: {}, metrics: clockMetrics(text) }
  }
  return absent('neither perl nor python3 is installed, with which the kernel’s clock is asked')
}

function distrustOf(command: string): string | undefined {
  try {
    return whyNotTrusted(command)
  } catch (error) {
    if (stateOfError(error) === 'absent') return 'absent'
    throw error
  }
}

function absent(detail: string): Findings {
  return unseen('absent', detail)
}

function unseen(state: 'absent' | 'denied', detail: string): Findings {
  return { sections: [{ name: 'kernel_clock', state, detail }], documents: {}, metrics: [] }
}

/** EPERM and EACCES: how ProtectClock= and the filters of containers refuse a call; others end the process with SIGSYS. */
const refusals = /^errno (?:1|13)$/
const noSuchCall = /^errno 38$/

/** What an answer without figures means. Throws when the program itself failed. */
export function refused(
  command: string,
  { text, fault }: Pick<Answer, 'text' | 'fault'>,
): Findings {
  const said = text.trim()
  if (refusals.test(said) || fault === 'ended by SIGSYS') {
    const detail =
      'the call adjtimex, which only reads here, is refused to this process: by ProtectClock=, SystemCallFilter= or a container'
    return unseen('denied', detail)
  }
  if (noSuchCall.test(said)) return absent('the kernel does not offer the call adjtimex')
  throw new Error(`${command} could not ask the kernel's clock: ${fault || said.slice(0, 200)}`)
}

/** Bit of the status: offset and jitter are in nanoseconds. */
const inNanoseconds = 0x2000
/** adjtimex answers this while nothing keeps the clock right. */
const notSynchronised = 5
const micro = 1e-6
/** Frequencies are parts per million with 16 bits behind the point. */
const scaledPpm = 1 / (1_000_000 * 65_536)

/** Figures of adjtimex's answer, the numbers of `fields` in their order. Throws when there are others. */
export function clockMetrics(text: string): Metric[] {
  const numbers = text.trim().split(/\s+/)
  if (numbers.length !== fields.length)
    throw new Error(`adjtimex: ${numbers.length} numbers, ${fields.length} expected`)
  const of = (field: Field) => number(numbers[fields.indexOf(field)], `adjtimex ${field}`)
  const fine = (of('status') & inNanoseconds) === 0 ? micro : 1e-9
  const rows: readonly (readonly [string, number])[] = [
    ['sync_status', of('state') === notSynchronised ? 0 : 1],
    ['status', of('status')],
    ['offset_seconds', of('offset') * fine],
    ['frequency_adjustment_ratio', 1 + of('freq') * scaledPpm],
    ['maxerror_seconds', of('maxerror') * micro],
    ['estimated_error_seconds', of('esterror') * micro],
    ['loop_time_constant', of('constant')],
    ['tick_seconds', of('tick') * micro],
    ['tai_offset_seconds', of('tai')],
    ['pps_frequency_hertz', of('ppsfreq') * scaledPpm],
    ['pps_jitter_seconds', of('jitter') * fine],
    ['pps_shift_seconds', of('shift')],
    ['pps_stability_hertz', of('stabil') * scaledPpm],
    ['pps_jitter_total', of('jitcnt')],
    ['pps_calibration_total', of('calcnt')],
    ['pps_error_total', of('errcnt')],
    ['pps_stability_exceeded_total', of('stbcnt')],
  ]
  return rows.map(([name, value]) => metric(`node_timex_${name}`, value))
}
