import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { eventually, FakeHub } from '../helpers/fake-hub.ts'

const demo = fileURLToPath(new URL('../../collector/demo/main.js', import.meta.url))

t.test(
  'the demo: twelve hosts, history first, every series marked; the silent one keeps its socket',
  async (t) => {
    const hub = await FakeHub.start()
    t.teardown(() => hub.stop())
    const environment = {
      CALLWARD_HUB: hub.url,
      CALLWARD_TOKEN: 'right-token',
      CALLWARD_INTERVAL: '1',
      CALLWARD_DEMO_SPEED: '20',
    }
    const child = spawn(process.execPath, [demo], {
      env: environment,
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    const ended = new Promise((resolve) => child.on('close', resolve))
    t.teardown(() => child.kill('SIGKILL'))
    const all = (lane: 'live' | 'backlog') => hub.lane(lane)
    // A report of today that the connection came too late for may be among them.
    await eventually('its history', () => all('backlog').length >= 12 * 180, 30_000)
    t.equal(hub.connections, 12)
    t.ok(hub.hellos.every((hello) => hello.labels.simulated === 'true'))
    const offsets = () =>
      all('live').flatMap((report) => {
        const key = [...report.values.keys()].find((one) =>
          /^callward_clock_offset.*demo-dialler-2/.test(one),
        )
        return key === undefined ? [] : [report.values.get(key)!]
      })
    await eventually(
      'the dialler’s clock is 8 s off',
      () => offsets().some((offset) => Math.abs(offset - 8) < 0.5),
      20_000,
    )
    const marked = [...hub.committed.values()].every((report) =>
      [...report.values.keys()].every((key) => key.includes('simulated="true"')),
    )
    t.ok(marked, 'every series says that it is simulated')
    const silent = hub.hellos.find((hello) => hello.labels.instance === 'demo-sbc-2')!
    const lastOf = () =>
      all('live')
        .filter((report) => report.collector === silent.collector)
        .at(-1)?.wall ?? 0
    await eventually('the silent host says nothing', () => Date.now() - lastOf() > 2500, 20_000)
    t.equal(hub.connections, 12, 'its socket is open')
    const before = lastOf()
    await eventually('it is back', () => lastOf() > before, 20_000)
    child.kill('SIGTERM')
    t.equal(await ended, 0)
    t.equal(hub.byes.length, 12)
    t.strictSame(hub.faults, [])
  },
)
