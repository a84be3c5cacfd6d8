import { open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { tarEnd, tarEntries, tarHeader, tarPadding } from '../../../server/backup/tar.ts'
import { folderOf } from '../../helpers/folder.ts'

t.test('entries of any size come back, in order', async (t) => {
  const path = join(folderOf(t), 'a.tar')
  const sizes = [0, 1, 511, 512, 513, 70_000]
  const parts = sizes.flatMap((bytes, i) => [
    tarHeader(`folder/file ${i} ü`, bytes, Date.UTC(2026, 10, 22)),
    Buffer.alloc(bytes, i + 1),
    tarPadding(bytes),
  ])
  await writeFile(path, Buffer.concat([...parts, tarEnd]))
  const file = await open(path)
  t.teardown(() => file.close())
  const entries = await tarEntries(file)
  t.same(
    entries.map(({ name, bytes }) => [name, bytes]),
    sizes.map((bytes, i) => [`folder/file ${i} ü`, bytes]),
  )
  for (const [i, { bytes, offset }] of entries.entries()) {
    const content = Buffer.alloc(bytes)
    await file.read(content, 0, bytes, offset)
    t.ok(content.every((byte) => byte === i + 1))
  }
})

t.test('a header says sizes beyond 8 GiB as GNU tar does', async (t) => {
  const check = (bytes: number, field: string) =>
    t.equal(tarHeader('big', bytes, 0).toString('latin1', 124, 136), field, String(bytes))
  check(8 * 1024 ** 3 - 1, '77777777777\0')
  check(8 * 1024 ** 3, '\x80\0\0\0\0\0\0\x02\0\0\0\0')
  const path = join(folderOf(t), 'big.tar')
  await writeFile(path, Buffer.concat([tarHeader('big', 8 * 1024 ** 3, 0), tarEnd]))
  const file = await open(path)
  t.teardown(() => file.close())
  await t.rejects(tarEntries(file), { message: 'it ends early, within "big"' })
  t.throws(() => tarHeader('x'.repeat(101), 1, 0), /BUG/)
})
