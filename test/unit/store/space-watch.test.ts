import { mock } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { realDisk } from '../../../server/store/disk.ts'
import { SpaceWatch } from '../../../server/store/journal/space-watch.ts'
import { silentLogger } from '../../../server/store/log.ts'

t.test('what is short is looked at each second, whether or not anybody appends', async (t) => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const state = { freeBytes: 1000, unsealedBytes: 0, looks: 0, failing: false }
  const watch = new SpaceWatch({
    folder: '/data',
    disk: {
      ...realDisk,
      async space() {
        state.looks++
        if (state.failing) throw new Error('EIO: i/o error')
        return { freeBytes: state.freeBytes, totalBytes: 10_000 }
      },
    },
    logger: silentLogger,
    reserveBytes: 100,
    unsealedBytes: () => state.unsealedBytes,
    maxUnsealedBytes: 50,
  })
  const looksIn = async (seconds: number) => {
    const before = state.looks
    for (let second = 0; second < seconds; second++) {
      mock.timers.tick(1000)
      await setImmediate()
    }
    return state.looks - before
  }
  await watch.check()
  t.equal(await looksIn(5), 0, 'nothing is short')

  state.freeBytes = 99
  await watch.check()
  t.match(watch.shortage, /99 bytes are free on the disk of \/data, the reserve is 100/)
  t.equal(await looksIn(5), 5)
  state.failing = true
  t.equal(await looksIn(3), 3, 'a look that fails is not the last')
  state.failing = false
  state.freeBytes = 100
  t.equal(await looksIn(5), 1)
  t.equal(watch.shortage, undefined)

  state.unsealedBytes = 51
  await watch.check()
  t.match(watch.shortage, /51 bytes of samples in memory wait/)
  t.equal(await looksIn(2), 2)
  watch.stop()
  t.equal(await looksIn(2), 0)
  await watch.check()
  t.equal(await looksIn(2), 0)
})
