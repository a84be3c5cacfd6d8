import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../../server/assets.ts'
import { type Feeding, parseStory, runStory, told } from './routing-story.ts'

const folder = join(packageRoot, 'test', 'scenarios', 'routing')
const files = readdirSync(folder).filter((file) => file.endsWith('.txt'))
const feedings: Readonly<Record<string, Feeding>> = {
  'in one call': {},
  'a call every 7 s': { step: 7_000 },
  'a call every minute, saved and loaded after each': { step: 60_000, json: true },
}

t.test('every story about who is told ends as told, however it is fed', async (t) => {
  t.ok(files.length >= 15, `${files.length} stories`)
  for (const file of files) {
    const story = parseStory(readFileSync(join(folder, file), 'utf8'))
    let first: readonly string[] | undefined
    for (const [name, feeding] of Object.entries(feedings)) {
      const decisions = runStory(story, feeding)
      const outcome = told(decisions)
      t.same(outcome.told, story.told, `${file}: told, ${name}`)
      if (story.held.length > 0) t.same(outcome.held, story.held, `${file}: held, ${name}`)
      t.same(outcome.ended, story.ended, `${file}: silences, ${name}`)
      const keys = decisions.map(({ key }) => key)
      first ??= keys
      t.same(keys, first, `${file}: the same keys, ${name}`)
      const notifications = decisions.filter(({ kind }) => kind === 'notify').map(({ key }) => key)
      t.equal(new Set(notifications).size, notifications.length, `${file}: no key twice`)
    }
  }
})
