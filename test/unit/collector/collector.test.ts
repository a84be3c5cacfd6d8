import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Agent, phaseMilliseconds, untilNextTick } from '../../../collector/agent.ts'
import { BackOff, longestFailedMilliseconds } from '../../../collector/back-off.ts'
import { canonical, documentHash } from '../../../collector/canonical.ts'
import { ClockOffset } from '../../../collector/clock-offset.ts'
import { ConfigError, readConfig } from '../../../collector/config.ts'
import { parseOsRelease } from '../../../collector/host-os.ts'
import { keptIdentity, noteSpool } from '../../../collector/identity.ts'
import type { OutgoingReport } from '../../../collector/pending.ts'
import { ReportBuilder, seriesPerReportLimit } from '../../../collector/report-builder.ts'
import type { Session, SessionFigures } from '../../../collector/session.ts'
import { metric, type Source, seen, unseen } from '../../../collector/source.ts'
import { version } from '../../../collector/version.ts'
import type { Section } from '../../../collector/wire/frames.ts'
import { packageRoot } from '../../../server/assets.ts'
import { folderOf } from '../../helpers/folder.ts'
import { hostLabels as labels } from '../../helpers/host-labels.ts'

t.test('the version is that of the package', async (t) => {
  const text = readFileSync(join(packageRoot, 'package.json'), 'utf8')
  t.equal(version, (JSON.parse(text) as { version: string }).version)
})

t.test('configuration: defaults, file, environment over file', async (t) => {
  const plain = readConfig({}, 'host-1')
  t.match(plain, { hub: 'ws://127.0.0.1:9770', intervalSeconds: 10, roots: { proc: '/proc' } })
  t.strictSame(plain.spool, { bytes: 64 * 1024 * 1024, milliseconds: 72 * 3_600_000 })
  t.strictSame(plain.labels, {
    job: 'callward',
    instance: 'host-1',
    customer: 'default',
    site: 'default',
    server: 'host-1',
    role: 'server',
    env: 'production',
  })
  t.match(plain.tokenFile, /\/data\/collector\/token$/)
  const file = join(
    folderOf(t, {
      'c.yaml': 'labels: {role: pbx, instance: pbx-9}\ninterval: 30\nsections: {entropy: false}\n',
    }),
    'c.yaml',
  )
  const set = readConfig(
    { CALLWARD_CONFIG: file, CALLWARD_INTERVAL: '5', CALLWARD_TOKEN: '' },
    'host-1',
  )
  t.match(set, { intervalSeconds: 5, token: undefined, sections: { entropy: false } })
  t.match(set.labels, { role: 'pbx', instance: 'pbx-9', server: 'pbx-9' })
})

t.test('configuration: a file shared with the hub', async (t) => {
  const read = (yaml: string) => {
    const file = join(folderOf(t, { 'c.yaml': yaml }), 'c.yaml')
    return readConfig({ CALLWARD_CONFIG: file }, 'host-1')
  }
  const shared = read(
    'hub: {listen: "127.0.0.1:9770"}\ncollector: {hub: "ws://hub:1", labels: {site: hue}}\n',
  )
  t.match(shared, { hub: 'ws://hub:1', labels: { site: 'hue' } })
  t.equal(read('hub: {listen: "127.0.0.1:9770"}\n').hub, 'ws://127.0.0.1:9770')
  t.equal(read('').intervalSeconds, 10)
  t.throws(
    () => read('collector: {}\nalerts: {}\n'),
    /unknown section "alerts"; known are hub, collector/,
  )
  t.throws(() => read('collector: 5\n'), /collector must hold keys/)
  t.throws(() => read('- 5\n'), /holds no keys/)
})

t.test('configuration: all faults at once, each with its key and an example', async (t) => {
  const yaml =
    'labels: {role: "", colour: red}\nsections: {entropi: false, cpu: 3}\nprocRoot: proc\nspool: {megabytes: 7, days: 3}\n'
  const file = join(folderOf(t, { 'c.yaml': yaml }), 'c.yaml')
  const faultsOf = (environment: Record<string, string>) => {
    try {
      readConfig(environment, 'host-1')
    } catch (error) {
      if (error instanceof ConfigError) return [...error.faults].sort()
    }
    return []
  }
  const faults = faultsOf({
    CALLWARD_CONFIG: file,
    CALLWARD_HUB: 'http://hub',
    CALLWARD_INTERVAL: 'soon',
    CALLWARD_TOKEN: 'a b',
  })
  const expected = [
    /^CALLWARD_HUB \(key hub\): must be .*, e.g. CALLWARD_HUB=ws:\/\/127.0.0.1:9770$/,
    /^CALLWARD_INTERVAL \(key interval\): must be a whole number of seconds from 1 to 60, e.g. CALLWARD_INTERVAL=10$/,
    /^CALLWARD_TOKEN \(key token\): must be a token without blanks/,
    /^labels.colour: there is no such key; known are instance, server, customer/,
    /^labels.role: must be 1 to 128 characters, no control characters, e.g. labels.role: pbx$/,
    /^procRoot: must be an absolute path, e.g. procRoot: \/proc$/,
    /^sections.cpu: must be true or false/,
    /^sections.entropi: there is no such key; known are cpu,/,
    /^spool.days: there is no such key; known are megabytes, hours/,
    /^spool.megabytes: must be a whole number of megabytes from 8 to 65536, e.g. spool.megabytes: 64/,
  ]
  t.equal(faults.length, expected.length, faults.join('\n'))
  for (const [i, pattern] of expected.entries()) t.match(faults[i], pattern)
  t.match(faultsOf({ CALLWARD_CONFIG: '/no/such.yaml' }), [/cannot be read: ENOENT/])
  t.match(faultsOf({ CALLWARD_INTERVAL: '61' }), [/CALLWARD_INTERVAL/])
  t.match(faultsOf({ CALLWARD_INTERVAL: '2.5' }), [/CALLWARD_INTERVAL/])
})

t.test('identity: kept across starts, readable by its user only', async (t) => {
  const folder = join(folderOf(t), 'data', 'collector')
  const first = keptIdentity(folder)
  t.match(first, { collector: /^[0-9a-f-]{36}$/, hadSpool: false })
  t.equal(noteSpool(folder, first), undefined)
  t.strictSame(keptIdentity(folder), { ...first, hadSpool: true })
  const file = join(folder, 'identity.json')
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.equal(statSync(folder).mode & 0o777, 0o700)
  writeFileSync(file, `{"collector": "${first.collector}", "epoch": "of an earlier version"}`)
  t.strictSame(keptIdentity(folder), first)
  writeFileSync(file, '{"collector": "gar')
  t.match(keptIdentity(folder).collector, /^[0-9a-f-]{36}$/)
  const blocked = folderOf(t, { data: 'a file' })
  const inFile = () => keptIdentity(join(blocked, 'data', 'collector'))
  t.throws(inFile, /cannot write to its folder .* set CALLWARD_DATA to a folder it owns/)
  mkdirSync(join(blocked, 'x', 'identity.json'), { recursive: true })
  t.throws(() => keptIdentity(join(blocked, 'x')), /cannot write to its folder .*EISDIR/)
})

t.test(
  'reports: the host’s labels on every series, identity kept, ended series once',
  async (t) => {
    const builder = new ReportBuilder(labels)
    const first = builder.build([metric('a', 1), metric('b', 2, { x: '1', y: '2' })])
    t.strictSame(first.series[1]?.labels, { x: '1', y: '2', ...labels })
    const second = builder.build([metric('a', 3), metric('b', 4, { y: '2', x: '1' })])
    t.equal(second.series, first.series, 'the same array, whatever the order of labels')
    t.strictSame([...second.values], [3, 4])
    const third = builder.build([metric('a', 5)])
    t.strictSame(third.stale, [first.series[1]])
    t.strictSame(builder.build([metric('a', 6)]).stale, [], 'marked once')
    const again = builder.build([metric('a', 7), metric('b', 8, { x: '1', y: '2' })])
    t.equal(again.series[0], first.series[0])
    t.strictSame(again.stale, [])
    t.equal(builder.refused, 0)
  },
)

t.test('reports: what the protocol does not allow is left out and counted', async (t) => {
  const check = (metrics: Parameters<ReportBuilder['build']>[0], kept: number, refused: number) => {
    const builder = new ReportBuilder(labels)
    t.equal(builder.build(metrics).series.length, kept)
    t.equal(builder.refused, refused)
  }
  check([metric('a', Number.NaN), metric('b', Number.POSITIVE_INFINITY), metric('c', 1)], 1, 2)
  check([metric('a', 1), metric('a', 2)], 1, 1)
  check(
    [metric('a', 1, { long: 'x'.repeat(1025) }), metric('a', 1, { long: 'x'.repeat(1024) })],
    1,
    1,
  )
  check(
    [metric('a', 1, Object.fromEntries(Array.from({ length: 26 }, (_, i) => [`l${i}`, ''])))],
    0,
    1,
  )
  check(
    Array.from({ length: seriesPerReportLimit + 5 }, (_, i) => metric(`m${i}`, i)),
    seriesPerReportLimit,
    5,
  )
  const evil = new ReportBuilder(labels).build([
    metric('a', 1, { instance: 'another-host', site: 'moon' }),
  ])
  t.strictSame(evil.series[0]?.labels, labels, 'a source cannot pose as another host')
})

t.test('ticks: aligned to the interval, spread by instance, never twice for one', async (t) => {
  const check = (now: number, phase: number, expected: number) =>
    t.equal(untilNextTick(now, 10, phase), expected, `${now} phase ${phase}`)
  check(100_000, 0, 10_000)
  check(104_000, 0, 6000)
  check(104_000, 3000, 9000)
  check(101_000, 3000, 2000)
  check(109_998, 0, 10_002)
  check(109_500, 0, 10_500)
  check(-1000, 0, 1000)
  const phases = Array.from({ length: 200 }, (_, i) => phaseMilliseconds(`host-${i}`, 10))
  t.ok(phases.every((phase) => phase >= 0 && phase < 10_000))
  t.ok(new Set(phases.map((phase) => Math.floor(phase / 1000))).size === 10, 'every second is used')
  t.equal(phaseMilliseconds('pbx-01', 10), phaseMilliseconds('pbx-01', 10))
})

interface HeardSession extends Session {
  readonly reports: OutgoingReport[]
  readonly told: (readonly Section[])[]
}

function heardSession(figures: Partial<SessionFigures> = {}): HeardSession {
  const reports: OutgoingReport[] = []
  const told: (readonly Section[])[] = []
  const all: SessionFigures = {
    state: 'open',
    pending: 3,
    dropped: 2,
    droppedBy: { memory: 2, bytes: 0, age: 0, damaged: 0, unreadable: 0 },
    inMemory: 1,
    oldestWall: 1_767_599_000_000,
    refused: 1,
    connections: 4,
    acknowledged: { live: 0, backlog: 0 },
    clockOffsetSeconds: undefined,
    ...figures,
  }
  return {
    reports,
    told,
    send: (report) => void reports.push(report),
    sections: (sections) => void told.push(sections),
    facts: () => {},
    figures: () => all,
    cut: () => {},
    freeze: () => {},
    thaw: () => {},
    close: async () => 0,
  }
}

t.test(
  'one report: figures, durations, the state of every section, the collector’s own',
  async (t) => {
    let broken = false
    const good: Source = {
      name: 'good',
      async read() {
        if (broken) throw Object.assign(new Error('EACCES'), { code: 'EACCES', path: '/proc/good' })
        return seen([metric('node_load1', 0.5)])
      },
    }
    const partly: Source = {
      name: 'partly',
      read: async () => unseen('absent', 'no such thing here'),
    }
    const session = heardSession({ clockOffsetSeconds: -0.25 })
    const logger = { info: () => {}, warn: () => {}, error: () => t.fail('no error') }
    const clock = { now: () => 1_767_600_000_000, monotonic: () => 5 }
    const os = { name: 'Debian GNU/Linux', version: '12' }
    const sections = [{ name: 'inventory', state: 'ok', detail: '' } as const]
    const agent = new Agent({
      labels,
      intervalSeconds: 10,
      sources: [good, partly],
      session,
      clock,
      logger,
      version,
      os,
      surveyed: { sections, metrics: [] },
      spool: { section: { name: 'spool', state: 'ok', detail: '' }, bytes: 4096 },
    })
    await agent.tick()
    const values = (n: number) => {
      const { series, values } = session.reports[n]!
      return new Map(
        series.map((one, i) => {
          const own = Object.entries(one.labels).filter(([name]) => !(name in labels))
          return [
            `${one.name} ${own.map(([name, value]) => `${name}=${value}`).join(' ')}`.trim(),
            values[i],
          ]
        }),
      )
    }
    const first = values(0)
    t.match(session.reports[0], { lane: 'live', wall: 1_767_600_000_000, monotonic: 5 })
    const check = (key: string, value: number) => t.equal(first.get(key), value, key)
    check('node_load1', 0.5)
    check('callward_section_state section=good state=ok', 1)
    check('callward_section_state section=good state=denied', 0)
    check('callward_section_state section=partly state=absent', 1)
    check('callward_section_state section=partly state=ok', 0)
    check('callward_section_state section=inventory state=ok', 1)
    check('callward_server_info os=Debian GNU/Linux version=12', 1)
    check(`callward_collector_info version=${version}`, 1)
    check('callward_collector_reports_pending', 3)
    check('callward_collector_reports_dropped_total reason=memory', 2)
    check('callward_collector_reports_dropped_total reason=damaged', 0)
    check('callward_collector_spool_bytes', 4096)
    check('callward_collector_spool_reports', 2)
    check('callward_collector_spool_oldest_timestamp_seconds', 1_767_599_000)
    check('callward_clock_offset_seconds', -0.25)
    t.ok(first.has('callward_source_duration_seconds source=good'))
    broken = true
    await agent.tick()
    const second = values(1)
    t.notOk(second.has('node_load1'), 'a figure that was not read is not repeated')
    t.strictSame(
      session.reports[1]?.stale.map((one) => one.name),
      ['node_load1'],
    )
    t.equal(second.get('callward_section_state section=good state=denied'), 1)
    t.equal(second.get('callward_section_state section=good state=ok'), 0)
    t.match(session.told[1]?.[0], { name: 'good', state: 'denied', detail: /\/proc\/good; grant/ })
  },
)

t.test('a source that hangs is not asked again and stalls nothing for long', async (t) => {
  let asked = 0
  const hung: Source = {
    name: 'hung',
    read: () => {
      asked++
      return new Promise(() => {})
    },
  }
  const session = heardSession()
  const logger = { info: () => {}, warn: () => {}, error: () => {} }
  const clock = { now: () => 0, monotonic: () => 0 }
  const os = { name: 'x', version: '1' }
  const agent = new Agent({
    labels,
    intervalSeconds: 1,
    sources: [hung],
    session,
    clock,
    logger,
    version,
    os,
  })
  const started = performance.now()
  await agent.tick()
  await agent.tick()
  t.ok(performance.now() - started < 1500)
  t.equal(asked, 1)
  t.match(
    session.told.map((sections) => sections[0]?.detail),
    ['no answer within 0.8 s', 'the last reading has not come back yet'],
  )
})

t.test(
  'back-off: fast once after a loss, then doubling from 1 s; never a tight loop',
  async (t) => {
    for (const random of [0, 0.999]) {
      const backOff = new BackOff(longestFailedMilliseconds(10), () => random)
      const row = (ending: 'lost' | 'failed' | 'refused') =>
        Array.from({ length: 12 }, () => backOff.after(ending, 100))
      const first = backOff.after('lost', 60_000)
      t.ok(first >= 100 && first <= 500, `${first}`)
      const flapping = row('lost')
      const within = flapping.every((delay) => delay >= 1000 && delay <= 15_000)
      t.ok(within, 'a hub that drops us at once')
      t.ok(backOff.after('lost', 6000) <= 500, 'a steady connection ends the row of failures')
      const failing = row('failed')
      t.ok(failing[0]! >= 1000 && failing[0]! < 1001, 'the first after 1 s')
      const last = failing.at(-1)!
      t.ok(last >= 7500 && last <= 15_000, 'back before the hub calls this host silent')
      const refused = row('refused').at(-1)!
      t.ok(refused >= 30_000 && refused <= 60_000)
    }
    t.equal(longestFailedMilliseconds(1), 1500)
    t.equal(longestFailedMilliseconds(60), 60_000)
  },
)

t.test(
  'clock offset: the exchange of least delay counts, a step of either clock is followed',
  async (t) => {
    let wall = 1_000_000
    let monotonic = 0
    const offset = new ClockOffset({ now: () => wall, monotonic: () => monotonic })
    const pass = (milliseconds: number) => {
      wall += milliseconds
      monotonic += milliseconds
    }
    /** One exchange with the given delays there and back; the hub is `behind` this clock. */
    const exchange = (there: number, back: number, behind: number) => {
      const sentAt = wall
      pass(there + 5 + back)
      const hubReceivedAt = sentAt + there - behind
      offset.observe({ sentAt, hubReceivedAt, hubSentAt: hubReceivedAt + 5, receivedAt: wall })
    }
    t.equal(offset.seconds, undefined)
    exchange(10, 10, 3000)
    t.equal(offset.seconds, 3)
    exchange(150, 10, 3000)
    t.equal(offset.seconds, 3, 'a slow way there does not spoil it')
    for (let n = 0; n < 7; n++) exchange(60, 20, 3000)
    t.ok(Math.abs(offset.seconds! - 3) <= 0.0201, 'after eight the old best is gone')
    wall += 8000
    t.ok(Math.abs(offset.seconds! - 11) <= 0.0201, 'this clock stepped')
    exchange(30, 30, 500)
    t.equal(offset.seconds, 0.5, 'the hub’s clock stepped: old samples are dropped')
    offset.observe({ sentAt: wall, hubReceivedAt: wall, hubSentAt: wall, receivedAt: wall - 10 })
    offset.observe({ sentAt: wall, hubReceivedAt: Number.NaN, hubSentAt: wall, receivedAt: wall })
    t.equal(offset.seconds, 0.5, 'nonsense is left out')
  },
)

t.test('documents: equal content has equal text and hash', async (t) => {
  const a = canonical({ b: [{ d: 1, c: undefined, a: null }], a: 'x' })
  t.equal(JSON.stringify(a), '{"a":"x","b":[{"a":null,"d":1}]}')
  t.equal(documentHash(a), documentHash(canonical({ a: 'x', b: [{ a: null, d: 1 }] })))
  t.equal(
    JSON.stringify(JSON.parse(JSON.stringify(a))),
    JSON.stringify(a),
    'the hub gets the same text from what it parsed',
  )
})

t.test('the operating system by its os-release', async (t) => {
  const check = (text: string, name: string, release: string) =>
    t.strictSame(parseOsRelease(text), { name, version: release })
  check('PRETTY_NAME="X"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\n', 'Debian GNU/Linux', '12')
  check("NAME='Arch Linux'\n", 'Arch Linux', 'unknown')
  check('', 'unknown', 'unknown')
})
