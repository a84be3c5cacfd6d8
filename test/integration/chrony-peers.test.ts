import { join } from 'node:path'
import t from 'tap'
import { type Metric, readSource } from '../../collector/source.ts'
import { clockSyncSource } from '../../collector/sources/clock-sync.ts'
import { Chronyd, chronydMissing } from '../helpers/chronyd.ts'
import { seriesKey } from '../helpers/fake-hub.ts'
import { folderOf } from '../helpers/folder.ts'
import { until } from '../helpers/hub.ts'

const skip = chronydMissing()
const roots = { proc: '/proc', sys: '/sys', rootfs: '/no/such/place' }
const byKey = (metrics: readonly Metric[]) =>
  new Map(
    metrics.map((one) => [
      seriesKey(one.name.replace(/^callward_ntp_/, ''), one.labels),
      one.value,
    ]),
  )

t.test(
  'a real chronyd: followed, in step with chronyc; only its own clock; no source; stopped; back',
  { skip },
  async (t) => {
    const folder = folderOf(t)
    const server = await Chronyd.start(join(folder, 'server'), { serve: true })
    t.teardown(() => server.stop())
    const client = await Chronyd.start(join(folder, 'client'), {
      from: server.servedPort,
      offsetSeconds: 0.25,
    })
    t.teardown(() => client.stop())
    const lonely = await Chronyd.start(join(folder, 'lonely'))
    t.teardown(() => lonely.stop())
    const watch = (chronyd: Chronyd) => {
      const address = { host: '127.0.0.1', port: chronyd.commandPort }
      const source = clockSyncSource(roots, { address })
      return async () => {
        const { state, detail, metrics } = await readSource(source, Date.now(), 5000)
        return { state, detail, found: byKey(metrics) }
      }
    }
    const own = watch(server)
    await until('the server answers', async () => (await own()).state === 'ok')
    t.strictSame(
      [...(await own()).found].filter(([key]) => /^(up|synchronised|stratum|reference)/.test(key)),
      [
        ['up{daemon="chronyd"}', 1],
        ['synchronised{daemon="chronyd"}', 0],
        ['stratum{}', 8],
        ['reference_info{reference="local"}', 1],
      ],
      'its own clock is no source',
    )
    const alone = watch(lonely)
    await until('the lonely one answers', async () => (await alone()).state === 'ok')
    const nobody = await alone()
    t.equal(nobody.found.get('synchronised{daemon="chronyd"}'), 0)
    t.equal(nobody.found.get('leap_status{}'), 3)
    t.notOk(nobody.found.has('offset_seconds{}'))

    const read = watch(client)
    await until(
      'it follows the server',
      async () => (await read()).found.get('synchronised{daemon="chronyd"}') === 1,
      40_000,
    )
    // Both are asked until no measurement came between: then every figure must be the same.
    await until('the figures of chronyc', async () => {
      const { found } = await read()
      const said = client.tracking()
      if (said === undefined) return false
      const near = (name: string, column: number, sign = 1) =>
        Math.abs((found.get(`${name}{}`) ?? Number.NaN) - sign * Number(said[column])) < 1e-6
      return (
        found.get(`reference_info{reference="${said[1]}"}`) === 1 &&
        found.get('stratum{}') === 9 &&
        said[2] === '9' &&
        said[13] === 'Normal' &&
        near('last_update_timestamp_seconds', 3) &&
        near('offset_seconds', 4, -1) &&
        near('root_delay_seconds', 10)
      )
    })
    const offset = (await read()).found.get('offset_seconds{}')!
    t.ok(Math.abs(Math.abs(offset) - 0.25) < 0.05, `${offset} s of 0.25 s`)
    const words = /System time +: (\S+) seconds (slow|fast)/.exec(client.trackingText())
    t.equal(words?.[2], offset > 0 ? 'fast' : 'slow', 'positive is fast')

    await client.stop()
    const stopped = await read()
    t.equal(stopped.state, 'ok')
    t.strictSame(
      [...stopped.found],
      [
        ['up{daemon="chronyd"}', 0],
        ['synchronised{daemon="chronyd"}', 0],
      ],
      'down, and not as if well',
    )
    t.match(
      await watch(client)(),
      { state: /absent|denied/, detail: /nobody listens at 127\.0\.0\.1/ },
      'to a collector that never saw it',
    )
    client.run()
    await until('back', async () => (await read()).found.get('up{daemon="chronyd"}') === 1)
    await until(
      'and followed again',
      async () => (await read()).found.get('synchronised{daemon="chronyd"}') === 1,
      40_000,
    )
  },
)
