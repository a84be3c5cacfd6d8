import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { Registry } from 'prom-client'
import t, { type Test } from 'tap'
import { WebSocketServer } from 'ws'
import { closeCodes } from '../../collector/wire/frames.ts'
import { HostNews } from '../../server/ingest/host-news.ts'
import { ingestMetrics } from '../../server/ingest/metrics.ts'
import { Session } from '../../server/ingest/session.ts'
import { type AppendFile, realDisk } from '../../server/store/disk.ts'
import { until } from '../helpers/hub.ts'
import { Reporter } from '../helpers/reporter.ts'
import { everything, handClock, openStore, temporaryFolder } from '../unit/store/store-kit.ts'

/** A disk whose fdatasync waits while it is held. */
function heldDisk() {
  let go: () => void = () => undefined
  let held = Promise.resolve()
  const disk = {
    ...realDisk,
    syncing: 0,
    hold: () => {
      held = new Promise((resolve) => {
        go = resolve
      })
    },
    free: () => go(),
    async create(path: string): Promise<AppendFile> {
      const file = await realDisk.create(path)
      return {
        ...file,
        async sync() {
          disk.syncing++
          await held
          await file.sync()
        },
      }
    },
  }
  return disk
}

/** Sessions over a real store whose disk can be held. */
async function slowHub(t: Test) {
  const disk = heldDisk()
  const store = await openStore(temporaryFolder(t), handClock(Date.now()), { disk })
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  await once(server, 'listening')
  const metrics = ingestMetrics(new Registry(), () => 1)
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined }
  const inventory = { connected: async () => undefined, factHashes: async () => ({}) }
  const app = { log: { ...log, child: () => log }, inventory, store } as unknown as FastifyInstance
  const clock = { now: () => Date.now(), monotonic: () => performance.now() }
  const news = new HostNews(() => undefined)
  let current: Session | undefined
  const onHello = (session: Session) => {
    current?.close(closeCodes.replaced, 'the same collector connected again')
    current = session
  }
  server.on('connection', (socket) => {
    new Session({ app, clock, socket, metrics, news, onHello })
  })
  t.teardown(async () => {
    disk.free()
    news.stop()
    for (const client of server.clients) client.terminate()
    server.close()
    await store.close()
  })
  const gaps = async () => (await metrics.gaps.get()).values[0]?.value ?? 0
  const values = async () => {
    const found = await store.select(everything, 0, Date.now() + 1e9)
    return found.flatMap(({ values: ofSeries }) => [...ofSeries])
  }
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { disk, store, url, gaps, values }
}

t.test(
  'the welcome waits for what the former session was taken, so that no sequence is given twice',
  async (t) => {
    const hub = await slowHub(t)
    const host = new Reporter('stalled')
    await host.connect(hub.url, 'any')
    hub.disk.hold()
    const wall = Date.now() - 10_000
    host.report(1, [111], { wall })
    await until('the report is on its way to the disk', () => hub.disk.syncing > 0)
    // kill -9 of a collector that had not written it down: the next process knows of no sequence 1.
    host.socket?.terminate()
    await host.untilClosed()
    const again = new Reporter('stalled', { collector: host.collector })
    const connected = again.connect(hub.url, 'any')
    await new Promise((resolve) => setTimeout(resolve, 300))
    hub.disk.free()
    await connected
    const next = (again.frame('welcome')?.committed.live ?? 0) + 1
    again.report(next, [222], { wall: wall + 1000 })
    await again.acknowledgedUpTo(next)
    t.same(await hub.values(), [111, 222], 'what is acknowledged is stored')
    t.equal(await hub.gaps(), 0)
  },
)

t.test(
  'a gap is counted once, however often the collector connects before it is durable',
  async (t) => {
    const hub = await slowHub(t)
    const host = new Reporter('gap')
    await host.connect(hub.url, 'any')
    const ahead = Date.now() + 7_200_000
    const wall = Date.now() - 10_000
    host.report(3, [3], { wall })
    await host.acknowledgedUpTo(3)
    t.equal(await hub.gaps(), 2)
    for (const sequence of [4, 5]) host.report(sequence, [9], { wall: ahead })
    await until('refused', () => host.frames.filter(({ type }) => type === 'refused').length === 2)
    for (let i = 0; i < 3; i++) {
      await host.connect(hub.url, 'any')
      host.report(6 + i, [9], { wall: ahead })
      await until('refused again', () => host.frame('refused') !== undefined)
    }
    await host.connect(hub.url, 'any')
    host.report(9, [9], { wall: wall + 9 })
    await host.acknowledgedUpTo(9)
    t.equal(await hub.gaps(), 2, 'what was refused is answered, not missing')
  },
)
