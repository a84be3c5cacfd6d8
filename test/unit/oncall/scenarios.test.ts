import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../../server/assets.ts'
import { runScenario } from './scenario.ts'

const folder = join(packageRoot, 'test/scenarios/oncall')
const stories = readdirSync(folder).filter((name) => name.endsWith('.txt'))

t.test('stories of on-call duty', async (t) => {
  t.ok(stories.length >= 14, `${stories.length} stories`)
  for (const name of stories) {
    const { told, expected } = runScenario(readFileSync(join(folder, name), 'utf8'))
    t.same(told, expected, name)
  }
})
