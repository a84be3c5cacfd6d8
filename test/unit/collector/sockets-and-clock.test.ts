import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type Metric, readSource } from '../../../collector/source.ts'
import { hostSources } from '../../../collector/sources/all.ts'
import {
  askTracking,
  decodeTracking,
  encodeTrackingRequest,
  NoChrony,
  replySequence,
  type Tracking,
} from '../../../collector/sources/chrony.ts'
import { clockSyncSource } from '../../../collector/sources/clock-sync.ts'
import { portGroup, udpSocketsSource } from '../../../collector/sources/udp-sockets.ts'
import { parseUdpTable } from '../../../collector/sources/udp-table.ts'
import { packageRoot } from '../../../server/assets.ts'
import { seriesKey } from '../../helpers/fake-hub.ts'
import { folderOf } from '../../helpers/folder.ts'
import { ProcessTree } from '../../helpers/process-tree.ts'
import fc from '../../helpers/property.ts'

const fixture = (path: string) => readFileSync(join(packageRoot, 'test/fixtures', path))
const byKey = (metrics: readonly Metric[]) =>
  new Map(
    metrics.map((one) => [seriesKey(one.name.replace(/^callward_/, ''), one.labels), one.value]),
  )

interface MadeSocket {
  readonly port: number
  readonly inode: number
  readonly drops: number
  readonly user?: number
  readonly queue?: number
}

/** /proc/net/udp as the kernel writes it (net/ipv4/udp.c, udp4_format_sock). */
function table(sockets: readonly MadeSocket[]): string {
  const hex = (value: number, width: number) =>
    value.toString(16).toUpperCase().padStart(width, '0')
  const lines = sockets.map(({ port, inode, drops, user = 0, queue = 0 }) => {
    const line = `${String(port % 4096).padStart(5)}: 00000000:${hex(port, 4)} 00000000:0000 07 00000000:${hex(queue, 8)} 00:00000000 00000000 ${String(user).padStart(5)}        0 ${inode} 2 0000000000000000 ${drops}`
    return `${line.padEnd(127)}\n`
  })
  const head =
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops'
  return `${head.padEnd(127)}\n${lines.join('')}`
}

t.test(
  'drops by port: SIP, RTP as one range, what else loses, all others; no series ever falls',
  async (t) => {
    let sockets: MadeSocket[] = []
    let v6: MadeSocket[] = []
    const owners = new Map([
      [110, 'kamailio'],
      [111, 'asterisk'],
    ])
    const source = udpSocketsSource(
      () => ({ v4: table(sockets), v6: table(v6) }),
      (user) => owners.get(user),
    )
    let now = 0
    const read = async () => byKey((await readSource(source, now++, 1000)).metrics)
    const drops = (port: string, service = '') =>
      `udp_socket_drops_total{port="${port}",service="${service}"}`
    sockets = [
      { port: 5060, inode: 1, drops: 7, user: 110, queue: 0x100 },
      { port: 12_000, inode: 2, drops: 3, user: 111 },
      { port: 12_002, inode: 3, drops: 0, user: 111 },
      { port: 53, inode: 4, drops: 2 },
      { port: 67, inode: 5, drops: 0 },
      { port: 45_001, inode: 6, drops: 9 },
    ]
    v6 = [{ port: 5060, inode: 7, drops: 1, user: 110, queue: 1 }]
    const first = await read()
    t.strictSame(
      [
        drops('5060', 'kamailio'),
        drops('10000-29999', 'asterisk'),
        drops('53'),
        drops('other'),
      ].map((key) => first.get(key)),
      [8, 3, 2, 9],
    )
    t.equal(first.get('udp_sockets{port="10000-29999",service="asterisk"}'), 2)
    t.equal(first.get('udp_socket_receive_queue_bytes{port="5060",service="kamailio"}'), 0x101)
    t.notOk(
      [...first.keys()].some((key) => /5061|"67"|45001/.test(key)),
      'no series for what is not there',
    )

    // A call ends, its socket closes; another one opens on the same port and loses one.
    sockets = [
      { port: 5060, inode: 1, drops: 10, user: 110 },
      { port: 12_000, inode: 20, drops: 1, user: 111 },
      { port: 67, inode: 5, drops: 4 },
    ]
    v6 = []
    const second = await read()
    t.strictSame(
      [
        drops('5060', 'kamailio'),
        drops('10000-29999', 'asterisk'),
        drops('53'),
        drops('67'),
        drops('other'),
      ].map((key) => second.get(key)),
      [11, 4, 2, 4, 9],
    )
    t.equal(second.get('udp_sockets{port="53",service=""}'), 0)
    owners.clear()
    sockets = []
    const gone = await read()
    t.equal(gone.get(drops('5060', 'kamailio')), 11, 'the service that had it keeps the series')

    // A scan: every port loses something. The number of series stays bounded.
    sockets = Array.from({ length: 3000 }, (_, i) => ({ port: 100 + i, inode: 1000 + i, drops: 1 }))
    const many = await read()
    t.ok([...many.keys()].filter((key) => key.startsWith('udp_sockets{')).length <= 40, 'bounded')
    t.equal(
      [...many]
        .filter(([key]) => key.startsWith('udp_socket_drops'))
        .reduce((sum, [, value]) => sum + value, 0),
      11 + 4 + 2 + 4 + 9 + 3000,
      'and nothing is lost',
    )
  },
)

t.test('ports as configured; tables that are none', async (t) => {
  t.same(portGroup('5060'), { label: '5060', from: 5060, to: 5060 })
  t.same(portGroup('10000-20000'), { label: '10000-20000', from: 10_000, to: 20_000 })
  for (const bad of ['', '0', '65536', '9-8', '1-2-3', 'sip'])
    t.throws(() => portGroup(bad), /not a port/, bad)
  t.same(parseUdpTable('head only'), [])
  t.throws(
    () => parseUdpTable('head\n 1: 0:13C4 0:0 07 0:0 0:0 0 0 0 1 2 0\n'),
    /12 columns, 13 expected/,
  )
  t.throws(
    () => parseUdpTable(table([{ port: 1, inode: 1, drops: 1 }]).replace(':0001 ', ':000G ')),
    /not hexadecimal/,
  )
  t.throws(
    () => parseUdpTable(table([{ port: 1, inode: 1, drops: Number.NaN }])),
    /drops: "NaN" is not a number/,
  )
  const modern = {
    proc: join(packageRoot, 'test/fixtures/proc/modern/proc'),
    sys: '/none',
    rootfs: '/none',
  }
  const reading = await readSource(
    hostSources(modern).find(({ name }) => name === 'udp_sockets')!,
    0,
    1000,
  )
  t.equal(byKey(reading.metrics).get('udp_socket_drops_total{port="5060",service=""}'), 17)
})

t.test(
  'a socket of this host that nobody reads: the kernel’s count of drops is ours',
  async (t) => {
    const receiver = createSocket({ type: 'udp4', recvBufferSize: 2048 })
    receiver.bind(0, '127.0.0.1')
    await once(receiver, 'listening')
    t.teardown(() => receiver.close())
    const { port } = receiver.address()
    const source = udpSocketsSource(
      () => ({ v4: readFileSync('/proc/net/udp', 'utf8'), v6: undefined }),
      () => undefined,
      [String(port)],
    )
    const sender = createSocket('udp4')
    t.teardown(() => sender.close())
    const key = `udp_socket_drops_total{port="${port}",service=""}`
    const before = byKey((await readSource(source, 1, 1000)).metrics)
    t.equal(before.get(key), 0)
    // Sent in one go of the event loop: the receiver cannot read meanwhile.
    const sent = Array.from(
      { length: 200 },
      () => new Promise((resolve) => sender.send(Buffer.alloc(1000), port, '127.0.0.1', resolve)),
    )
    const during = byKey((await source.read(2)).metrics)
    await Promise.all(sent)
    const after = byKey((await source.read(3)).metrics)
    const lost = Math.max(during.get(key) ?? 0, after.get(key) ?? 0)
    t.ok(lost > 0 && lost < 200, `${lost} of 200 lost`)
  },
)

const tracking = fixture('chrony/tracking.bin')
const said = fixture('chrony/tracking.csv').toString().trim().split(',')

t.test('chronyd’s answer, byte by byte, is what chronyc says of it', async (t) => {
  const sequence = replySequence(tracking)!
  const answer = decodeTracking(tracking)
  const near = (ours: number, theirs: string | undefined, what: string) =>
    t.ok(Math.abs(ours - Number(theirs)) < 1e-7, `${what}: ${ours}, ${theirs}`)
  t.equal(answer.reference, said[1])
  t.equal(String(answer.stratum), said[2])
  near(answer.updatedAtSeconds, said[3], 'reference time')
  near(-answer.offsetSeconds, said[4], 'offset')
  near(answer.rootDelaySeconds, said[10], 'root delay')
  near(answer.rootDispersionSeconds, said[11], 'root dispersion')
  t.equal(answer.leapStatus === 0 ? 'Normal' : 'other', said[13])
  const asked = encodeTrackingRequest(sequence)
  t.equal(asked.length, tracking.length, 'a question as long as its answer')
  t.same([asked[0], asked[1], asked.readUInt16BE(4), asked.readUInt32BE(8)], [6, 1, 33, sequence])

  const changed = (offset: number, ...bytes: number[]) => {
    const copy = Buffer.from(tracking)
    copy.set(bytes, offset)
    return copy
  }
  t.throws(() => decodeTracking(changed(8, 0, 2)), /refused the question with status 2/)
  t.throws(() => decodeTracking(changed(0, 5)), /not protocol 6/)
  t.throws(() => decodeTracking(changed(6, 0, 6)), /answered 6 instead of 5/)
  t.throws(() => decodeTracking(tracking.subarray(0, 100)), /answered 100 bytes, 104 expected/)
  t.equal(
    decodeTracking(changed(28, 0x7f, 0x7f, 1, 1, ...new Array<number>(20).fill(0))).reference,
    'local',
  )
  t.equal(
    decodeTracking(changed(28, 0x47, 0x50, 0x53, 0, ...new Array<number>(20).fill(0))).reference,
    'GPS',
  )
  t.equal(
    decodeTracking(changed(28, 1, 2, 3, 4, ...new Array<number>(20).fill(0))).reference,
    '01020304',
  )
  t.equal(decodeTracking(changed(28, ...new Array<number>(24).fill(0))).reference, '')
  t.equal(
    decodeTracking(changed(32, 0x24, 1, 0xdb, ...new Array<number>(13).fill(0), 0, 2)).reference,
    '2401:db00:0:0:0:0:0:0',
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        const { offsetSeconds } = decodeTracking(Buffer.from(bytes))
        return Number.isFinite(offsetSeconds)
      } catch (error) {
        return error instanceof Error && error.message.startsWith('chronyd ')
      }
    }),
  )
})

t.test(
  'asked over UDP: other answers are not taken, silence ends, a closed port is told apart',
  async (t) => {
    const server = createSocket('udp4')
    server.bind(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address()
    let silent = false
    server.on('message', (asked, from) => {
      if (silent) return
      const good = Buffer.from(tracking)
      const sequence = asked.readUInt32BE(8)
      const stray = Buffer.from(tracking)
      stray.writeUInt32BE(sequence + 1, 16)
      good.writeUInt32BE(sequence, 16)
      for (const bytes of [Buffer.from('nonsense'), stray, good]) server.send(bytes, from.port)
    })
    const address = { host: '127.0.0.1', port }
    t.equal((await askTracking(address, 41, 1000)).reference, said[1])
    silent = true
    await t.rejects(askTracking(address, 42, 30), /did not answer within 0.03 s/)
    server.close()
    await once(server, 'close')
    await t.rejects(
      askTracking(address, 43, 1000),
      new NoChrony(`nobody listens at 127.0.0.1, UDP port ${port}`),
    )
  },
)

t.test(
  'what the section says: followed, only itself, unsynchronised, down, closed, timesyncd, nothing',
  async (t) => {
    const tree = new ProcessTree(folderOf(t))
    const good = decodeTracking(tracking)
    let answer: Tracking | Error = new NoChrony('nobody listens at 127.0.0.1, UDP port 323')
    const ask = async () => {
      if (answer instanceof Error) throw answer
      return answer
    }
    let running = false
    const fresh = () => clockSyncSource(tree.roots, { ask, runs: () => running })
    let source = fresh()
    const nowSeconds = 1_767_700_000
    const read = async () => {
      const reading = await readSource(source, nowSeconds * 1000, 1000)
      return { ...reading, found: byKey(reading.metrics) }
    }
    const states = async () => {
      const { state, found } = await read()
      const of = (name: string) => [...found].find(([key]) => key.startsWith(`ntp_${name}{`))?.[1]
      return [state, of('up'), of('synchronised'), of('offset_seconds') !== undefined]
    }
    const nothing = await read()
    t.equal(nothing.state, 'absent')
    t.match(
      nothing.detail,
      /no time service seen: nobody listens .* 323, no systemd-timesyncd; install chrony/,
    )
    t.equal(nothing.metrics.length, 0)
    running = true
    t.match(await read(), {
      state: 'denied',
      detail: /chronyd runs, but nobody listens .*set cmdport in chrony.conf/,
      metrics: [],
    })

    answer = good
    t.strictSame(await states(), ['ok', 1, 1, true])
    const { found } = await read()
    t.equal(found.get(`ntp_reference_info{reference="${said[1]}"}`), 1)
    t.equal(found.get('ntp_stratum{}'), good.stratum)
    answer = { ...good, reference: 'local' }
    t.strictSame(await states(), ['ok', 1, 0, true], 'its own clock is no source')
    answer = { ...good, leapStatus: 3, stratum: 0, reference: '', updatedAtSeconds: 0 }
    t.strictSame(await states(), ['ok', 1, 0, false], 'no offset where nothing is known')
    answer = new NoChrony('nobody listens')
    t.strictSame(await states(), ['ok', 0, 0, false], 'it answered before: down, whoever else runs')
    answer = new Error('chronyd did not answer within 0.5 s')
    t.match(await read(), { state: 'error', detail: /did not answer/, metrics: [] })

    answer = new NoChrony('nobody listens')
    source = fresh()
    running = false
    tree.enable('chrony.service')
    t.match(
      await read(),
      { state: 'absent', detail: /chrony is enabled, but systemd does not run here;/ },
      'nobody is there to start it',
    )
    tree.bootSystemd()
    t.strictSame(await states(), ['ok', 0, 0, false], 'to be started at boot, and not there')
    tree.write('rootfs', 'run/systemd/timesync/other', '')
    t.strictSame(await states(), ['ok', 1, 0, false], 'timesyncd has not reached a server yet')
    tree.write('rootfs', 'run/systemd/timesync/synchronized', '')
    const mark = join(tree.roots.rootfs, 'run/systemd/timesync/synchronized')
    utimesSync(mark, nowSeconds - 100, nowSeconds - 100)
    t.strictSame(await states(), ['ok', 1, 1, false])
    utimesSync(mark, nowSeconds - 7000, nowSeconds - 7000)
    t.strictSame(await states(), ['ok', 1, 0, false], 'no server for two hours')
  },
)
