import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { stringify } from 'yaml'
import type { Labels } from '../../../alerts/alert.ts'
import { routesFor } from '../../../alerts/route.ts'
import { defaultRoutingDocument, parseRouting } from '../../../alerts/routing-config.ts'

/** Why amtool cannot be asked, or false. With CALLWARD_REQUIRE_PEERS=1 its absence is an error. */
function missing(): string | false {
  if (spawnSync('amtool', ['--version']).status === 0) return false
  if (process.env['CALLWARD_REQUIRE_PEERS'] === '1') throw new Error('amtool is not installed')
  return 'amtool is not installed'
}

const skip = missing()
const receivers = [
  'team',
  'log',
  'voice',
  'data',
  'night',
  'vip',
  'chat',
  'hw',
  'net',
  'tickets',
  'lab',
]
const document = {
  route: {
    receiver: 'team',
    group_by: ['alertname'],
    routes: [
      { receiver: 'log', match: { severity: 'critical' }, continue: true },
      {
        receiver: 'voice',
        match_re: { team: 'voice|sip.*' },
        routes: [
          { receiver: 'vip', matchers: ['customer=~"bank-[ab]"'], continue: true },
          { receiver: 'night', matchers: ['shift="night"', 'severity!="info"'] },
          { receiver: 'chat', matchers: ['severity=~"warning|info"'] },
        ],
      },
      {
        receiver: 'data',
        matchers: ['team=~"d(ata|b)"', 'env!~"lab|test"'],
        routes: [
          { receiver: 'hw', matchers: ['{alertname=~"Disk.*",instance!=""}'] },
          { matchers: ['x="a,b"'], receiver: 'chat' },
        ],
      },
      { receiver: 'lab', matchers: ['env=~"(?i)LAB"'] },
      { receiver: 'net', matchers: ['instance=~"sw-\\\\d+"', 'rack=""'] },
      {
        receiver: 'tickets',
        matchers: ['severity = info'],
        continue: true,
        routes: [{ receiver: 'hw', matchers: ['alertname=~".*Fan.*"'] }],
      },
      { receiver: 'chat', match: { severity: 'warning' }, match_re: { site: 'h.+' } },
    ],
  },
  receivers: receivers.map((name) => ({ name })),
}

/** Sixty label sets from a fixed sequence. */
function labelSets(): readonly Labels[] {
  let seed = 7
  const pick = <T>(list: readonly T[]): T => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
    return list[Math.floor((seed / 2 ** 31) * list.length)]!
  }
  return Array.from({ length: 60 }, () => {
    const labels: Record<string, string | undefined> = {
      alertname: pick(['DiskFull', 'Disk', 'PsuFan', 'SipDown']),
      severity: pick(['critical', 'warning', 'info']),
      team: pick(['voice', 'sip-core', 'data', 'db', 'voicex', undefined]),
      customer: pick(['bank-a', 'bank-c', undefined]),
      shift: pick(['night', undefined]),
      env: pick(['lab', 'LAB', 'prod', undefined]),
      instance: pick(['sw-12', 'sw-x', 'pbx-1', undefined]),
      rack: pick(['r1', undefined]),
      site: pick(['h', 'hanoi', undefined]),
      x: pick(['a,b', undefined]),
    }
    return Object.fromEntries(
      Object.entries(labels).filter(([, value]) => value !== undefined),
    ) as Labels
  })
}

t.test(
  'amtool sends sixty label sets over fourteen routes to the same receivers',
  { skip },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'callward-amtool-'))
    t.teardown(() => rmSync(folder, { recursive: true }))
    const file = join(folder, 'alertmanager.yml')
    writeFileSync(file, stringify(document))
    const { config, faults } = parseRouting(document)
    t.same(faults, [])
    const used = new Set<string>()
    for (const labels of labelSets()) {
      const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value}"`)
      const args = ['config', 'routes', 'test', `--config.file=${file}`, ...pairs]
      const theirs = execFileSync('amtool', args, {
        encoding: 'utf8',
        timeout: 120_000,
        stdio: 'pipe',
      }).trim()
      const ours = routesFor(config!.root, labels).map(({ receiver }) => receiver)
      for (const receiver of ours) used.add(receiver)
      t.equal(ours.join(','), theirs, pairs.join(' '))
    }
    t.ok(used.size >= 9, `${[...used].join(', ')} were all reached`)
  },
)

t.test('amtool accepts our defaults, and what it refuses we refuse', { skip }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'callward-amtool-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const route = { receiver: 'x' }
  const one = [{ name: 'x' }]
  const interval = (time: object) => ({
    route,
    receivers: one,
    time_intervals: [{ name: 'n', time_intervals: [time] }],
  })
  const check = (name: string, config: object, accepted: boolean) => {
    const file = join(folder, 'config.yml')
    writeFileSync(file, stringify(config))
    const theirs = spawnSync('amtool', ['check-config', file], {
      encoding: 'utf8',
      timeout: 120_000,
    })
    t.equal(theirs.status === 0, accepted, `amtool: ${name} ${theirs.stdout}${theirs.stderr}`)
    t.equal(parseRouting(config).faults.length === 0, accepted, `ours: ${name}`)
  }
  check('our defaults', defaultRoutingDocument, true)
  check('the example', document, true)
  check('no receiver', { route: {}, receivers: one }, false)
  check('unknown receiver', { route: { receiver: 'y' }, receivers: one }, false)
  check('a receiver twice', { route, receivers: [...one, ...one] }, false)
  check('root with matchers', { route: { ...route, matchers: ['a=b'] }, receivers: one }, false)
  check('unknown key', { route: { ...route, grup_by: ['a'] }, receivers: one }, false)
  check('group_interval 0', { route: { ...route, group_interval: '0s' }, receivers: one }, false)
  check(
    'unknown interval',
    { route: { ...route, routes: [{ mute_time_intervals: ['n'] }] }, receivers: one },
    false,
  )
  check(
    'wrong expression',
    { route: { ...route, routes: [{ matchers: ['a=~"("'] }] }, receivers: one },
    false,
  )
  check(
    'wrong matcher',
    { route: { ...route, routes: [{ matchers: ['a'] }] }, receivers: one },
    false,
  )
  check('... and another', { route: { ...route, group_by: ['...', 'a'] }, receivers: one }, false)
  check('a label twice', { route: { ...route, group_by: ['a', 'a'] }, receivers: one }, false)
  check(
    'a time interval',
    interval({
      times: [{ start_time: '09:00', end_time: '24:00' }],
      weekdays: ['monday:friday', 'sunday'],
      days_of_month: ['1:5', '-3:-1', '1:-1'],
      months: ['january:march', '12'],
      years: ['2026:2030'],
      location: 'Europe/Berlin',
    }),
    true,
  )
  check('backward time', interval({ times: [{ start_time: '09:00', end_time: '08:00' }] }), false)
  check('backward weekdays', interval({ weekdays: ['friday:monday'] }), false)
  check('day 0', interval({ days_of_month: ['0'] }), false)
  check('day 32', interval({ days_of_month: ['32'] }), false)
  check('days from end to start', interval({ days_of_month: ['-1:5'] }), false)
  check('zone', interval({ location: 'Mars/Base' }), false)
})
