import t from 'tap'
import { workerArguments } from '../../../server/worker-arguments.ts'

t.test('a thread of ours loads nothing that was preloaded into the process', async (t) => {
  t.same(workerArguments([]), {})
  t.same(workerArguments(['--enable-source-maps', '--max-old-space-size=64']), {})
  t.same(
    workerArguments([
      '--import=file:///a.mjs',
      '--enable-source-maps',
      '--import',
      './b.mjs',
      '-r',
      'c',
    ]),
    { execArgv: ['--enable-source-maps'] },
  )
})
