import { spawnSync } from 'node:child_process'
import { arch } from 'node:os'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { clockMetrics, refused } from '../../../collector/surveys/kernel-clock.ts'

// State, then struct timex (man 2 adjtimex): offset, freq, maxerror, esterror, status, constant, precision, tolerance, time, tick, …
const answer = (state: number, status: number) =>
  `${state} 1500000 -655360 16500 250 ${status} 7 1 32768000 1767600000 5 10000 65536 42 8 131072 1 2 3 4 37`

t.test('the kernel’s clock: units of its fields, synchronised or not', async (t) => {
  const of = (text: string) => new Map(clockMetrics(text).map((one) => [one.name, one.value]))
  const check = (text: string, expected: Record<string, number>) => {
    const found = of(text)
    for (const [name, value] of Object.entries(expected)) {
      const own = found.get(`node_timex_${name}`) ?? Number.NaN
      t.ok(Math.abs(own - value) < 1e-12, `${name} ${own} is ${value}`)
    }
  }
  check(answer(0, 0x2001), {
    sync_status: 1,
    offset_seconds: 0.0015,
    maxerror_seconds: 0.0165,
    estimated_error_seconds: 0.00025,
    frequency_adjustment_ratio: 0.99999,
    tick_seconds: 0.01,
    tai_offset_seconds: 37,
    loop_time_constant: 7,
    pps_jitter_seconds: 42e-9,
    pps_stability_hertz: 2e-6,
    pps_calibration_total: 2,
    pps_stability_exceeded_total: 4,
  })
  check(answer(5, 0x40), { sync_status: 0, offset_seconds: 1.5, pps_jitter_seconds: 42e-6 })
  t.throws(() => clockMetrics('0 1 2'), /3 numbers, 21 expected/)
  t.throws(
    () => clockMetrics(answer(0, 0).replace('16500', 'x')),
    /adjtimex maxerror: "x" is not a number/,
  )
})

t.test('a refused call is denied, not an error of the host', async (t) => {
  const of = (text: string, fault = '') => refused('/usr/bin/perl', { text, fault }).sections[0]
  const denied = { state: 'denied', detail: /adjtimex.*refused.*ProtectClock=/ }
  t.match(of('errno 1\n'), denied, 'EPERM, as ProtectClock= and containers answer')
  t.match(of('errno 13'), denied)
  t.match(of('', 'ended by SIGSYS'), denied, 'a filter that kills')
  t.match(of('errno 38\n'), { state: 'absent', detail: /does not offer/ })
  t.throws(() => of('errno 22\n'), /could not ask the kernel's clock: errno 22/)
  t.throws(() => of('', 'no answer within 5 s'), /no answer within 5 s/)
})

/** System calls by Node's name of the architecture (kernel's syscall tables). */
const calls = {
  x64: { prctl: 157, seccomp: 317, adjtimex: 159 },
  arm64: { prctl: 167, seccomp: 277, adjtimex: 171 },
}[arch() as string]

/** Perl that refuses one call with EPERM to itself and what it starts, as ProtectClock= does (man 2 seccomp), and becomes its arguments. */
function refusing({ prctl, seccomp, adjtimex }: NonNullable<typeof calls>): string {
  const filter = [
    'pack("SCCL", 0x20, 0, 0, 0)',
    `pack("SCCL", 0x15, 0, 1, ${adjtimex})`,
    'pack("SCCL", 0x06, 0, 0, 0x00050001)',
    'pack("SCCL", 0x06, 0, 0, 0x7fff0000)',
  ]
  return [
    `my $filter = join "", ${filter.join(', ')};`,
    'my $program = pack("S x6 P", 4, $filter);',
    `syscall(${prctl}, 38, 1, 0, 0, 0) == 0 or exit 77;`,
    `syscall(${seccomp}, 1, 0, $program) == 0 or exit 77;`,
    'exec @ARGV',
  ].join('\n')
}

t.test('a real filter that refuses the call: denied, asked of the real kernel', async (t) => {
  if (calls === undefined || spawnSync('/usr/bin/perl', ['-e', '1']).status !== 0) {
    t.pass('perl', { skip: 'no perl, or another architecture' })
    return
  }
  const main = fileURLToPath(new URL('../../../collector/main.js', import.meta.url))
  const argv = ['-e', refusing(calls), process.execPath, main, '--survey', 'kernel_clock']
  const { status, stdout } = spawnSync('/usr/bin/perl', argv, { encoding: 'utf8' })
  if (status === 77) {
    t.pass('filter', { skip: 'this kernel lets nobody filter system calls' })
    return
  }
  const last = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}')
  t.match(last.findings, {
    sections: [{ name: 'kernel_clock', state: 'denied', detail: /adjtimex.*refused/ }],
    metrics: [],
  })
})
