import { copyFileSync, mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { fixContents } from '../../../server/backup/contents.ts'
import type { Records } from '../../../server/records/records.ts'
import type { Store } from '../../../server/store/plugin.ts'
import { handClock, openStore, temporaryFolder } from '../store/store-kit.ts'

/** Those of PostgreSQL are not in a backup. */
const noRecords = {} as Records

t.test('the manifest promises no series that the copy may lack', async (t) => {
  const data = temporaryFolder(t)
  const folder = join(data, 'hub', 'store')
  mkdirSync(folder, { recursive: true })
  const clock = handClock(Date.now())
  const store = await openStore(folder, clock)
  let [copies, fewer] = [0, 0]
  let going = true
  let named = 0
  const naming = (async () => {
    while (going) {
      const id = store.intern({ __name__: 'fresh', n: String(named++) })
      await store.append({
        rows: [{ t: clock.at, ids: Uint32Array.of(id), values: Float64Array.of(1) }],
      })
    }
  })()
  for (; copies < 20; copies++) {
    const contents = await fixContents({
      data,
      store: store as unknown as Store,
      records: noRecords,
    })
    const to = temporaryFolder(t)
    for (const { path, from, bytes } of contents.files) {
      const place = join(to, path)
      mkdirSync(dirname(place), { recursive: true })
      copyFileSync(from, place)
      truncateSync(place, bytes)
    }
    await contents.release()
    const restored = await openStore(join(to, 'hub', 'store'), clock)
    if (restored.stats().series < contents.store.series) fewer++
    await restored.close()
  }
  going = false
  await naming
  t.equal(fewer, 0)
  t.ok(named > copies, `${named} series named during ${copies} copies`)
  await store.close()
})

t.test('a file whose name no entry can hold is refused before anything is sent', async (t) => {
  const data = temporaryFolder(t)
  const folder = join(data, 'hub', 'store')
  const rulesFolder = join(data, 'rules')
  for (const made of [folder, rulesFolder]) mkdirSync(made, { recursive: true })
  writeFileSync(join(rulesFolder, `${'n'.repeat(100)}.yaml`), 'groups: []\n')
  const store = await openStore(folder, handClock(Date.now()))
  await t.rejects(
    fixContents({ data, store: store as unknown as Store, records: noRecords, rulesFolder }),
    { code: 'unprocessable', message: /nnn\.yaml is too long for a backup; rename the file/ },
  )
  await store.close()
})
