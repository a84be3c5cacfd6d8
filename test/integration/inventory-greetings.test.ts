import { join } from 'node:path'
import t from 'tap'
import type { Hello } from '../../collector/wire/frames.ts'
import { Gathered } from '../../server/inventory/gathered.ts'
import { Hosts } from '../../server/inventory/host.ts'
import { InventoryStore } from '../../server/inventory/inventory-store.ts'
import type { Records } from '../../server/records/records.ts'
import { openSqliteRecords } from '../../server/records/sqlite-records.ts'
import { folderOf } from '../helpers/folder.ts'
import { Reporter } from '../helpers/reporter.ts'

const clock = { now: () => 1000, monotonic: () => 1000 }

function helloOf(instance: string, collector: string): Hello {
  return new Reporter(instance, { collector }).hello()
}

t.test('hellos of one turn are one write, and one that says nothing new is none', async (t) => {
  const records = await openSqliteRecords({ path: join(folderOf(t, {}), 'r.sqlite') })
  t.teardown(() => records.close())
  let writes = 0
  const counted: Records = {
    ...records,
    read: records.read,
    write: (work) => {
      writes++
      return records.write(work)
    },
  }
  const greet = (store: InventoryStore, hellos: readonly Hello[]) =>
    Promise.all(hellos.map((hello) => store.greet(hello)))
  const held = async () => {
    const loaded = await new InventoryStore(records, clock).load()
    return Object.fromEntries(loaded.map(({ id, labels }) => [labels.instance, id]))
  }
  const store = new InventoryStore(counted, clock)
  const many = Array.from({ length: 100 }, (_, index) => helloOf(`pbx-${index}`, `c-${index}`))
  await greet(store, many)
  t.equal(writes, 1)
  t.equal(Object.keys(await held()).length, 100)
  await greet(store, many)
  t.equal(writes, 1, 'they are known')
  const after = new InventoryStore(counted, clock)
  await after.load()
  await greet(after, many)
  t.equal(writes, 1, 'also after a start')

  await greet(store, [helloOf('pbx-0', 'c-1'), helloOf('pbx-1', 'c-0')])
  t.match(await held(), { 'pbx-0': 'c-1', 'pbx-1': 'c-0' }, 'two change places in one turn')
  await greet(store, [helloOf('pbx-2', 'new'), helloOf('pbx-2', 'c-2'), helloOf('pbx-2', 'newer')])
  t.match(await held(), { 'pbx-2': 'newer' }, 'the last of a turn has the host')
  await greet(store, [helloOf('pbx-2', 'c-2')])
  t.match(await held(), { 'pbx-2': 'c-2' }, 'one that was replaced is written when it is back')
  await store.forget('c-3', 'pbx-3')
  await greet(store, [helloOf('pbx-3', 'c-3')])
  t.match(await held(), { 'pbx-3': 'c-3' }, 'and one that was taken off the list')
})

t.test('what is asked in one turn is answered together, a bad one fails alone', async (t) => {
  const asked: number[][] = []
  const gathered = new Gathered(async (questions: readonly number[]) => {
    asked.push([...questions])
    if (questions.includes(13)) throw new Error('thirteen')
    return questions.map((question) => question * 2)
  })
  t.same(await Promise.all([gathered.ask(1), gathered.ask(2)]), [2, 4])
  t.same(asked, [[1, 2]])
  const [good, bad] = await Promise.allSettled([gathered.ask(3), gathered.ask(13)])
  t.match(good, { value: 6 })
  t.match(bad, { reason: { message: 'thirteen' } })
})

t.test('hosts by instance follow what is set, renamed and deleted', async (t) => {
  const host = (instance: string, collectorId: string) => ({
    collectorId,
    labels: helloOf(instance, collectorId).labels,
    version: '0',
    intervalSeconds: 1,
    lastReportAt: undefined,
    heardAt: undefined,
    connected: false,
    sections: [],
  })
  const hosts = new Hosts()
  hosts.set('a', host('pbx-1', 'a'))
  hosts.set('a', host('pbx-2', 'a'))
  t.equal(hosts.byInstance('pbx-1'), undefined)
  t.equal(hosts.byInstance('pbx-2')?.collectorId, 'a')
  hosts.delete('a')
  t.equal(hosts.byInstance('pbx-2'), undefined)
})
