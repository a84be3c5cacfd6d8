import { mkdirSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { packageRoot } from '../../server/assets.ts'

/** Writes test/fixtures/hardware/<name>.tree over what stands in `folder`; readings of disks are dated `at` (milliseconds). */
export function layTree(folder: string, name: string, at = Date.now()): void {
  const text = readFileSync(join(packageRoot, 'test/fixtures/hardware', `${name}.tree`), 'utf8')
  const lines = text.split('\n')
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!
    if (line === '') continue
    const [, mark, path = '', rest] = /^(=|==|@) (\S+?)(?:: (.*)|:| -> .*)?$/.exec(line) ?? []
    if (mark === undefined) throw new Error(`${name}.tree:${i + 1}: ${line}`)
    const target = join(folder, path)
    mkdirSync(dirname(target), { recursive: true })
    if (mark === '@') {
      rmSync(target, { force: true })
      symlinkSync(line.slice(line.indexOf(' -> ') + 4), target)
      continue
    }
    const body: string[] = mark === '=' ? [rest ?? ''] : []
    while (mark === '==' && lines[i + 1]?.startsWith('|') === true) body.push(lines[++i]!.slice(1))
    writeFileSync(target, `${body.join('\n')}\n`)
    if (path.startsWith('smart/')) utimesSync(target, at / 1000, at / 1000)
  }
}

/** Dates a disk's reading, as if the timer had run then. */
export function dateReading(folder: string, disk: string, at: number): void {
  utimesSync(join(folder, 'smart', `${disk}.json`), at / 1000, at / 1000)
}
