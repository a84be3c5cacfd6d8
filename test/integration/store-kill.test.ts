import { spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { EmbeddedStore } from '../../server/store/embedded-store.ts'
import { base, handClock, hour, openStore, temporaryFolder } from '../unit/store/store-kit.ts'

const writerProcess = fileURLToPath(new URL('../unit/store/writer-process.js', import.meta.url))
const names = ['batch', 'one', 'two']
/** Fewer where only the runtime is another, as under a second Node; more by hand. */
const lives = Number(process.env['CALLWARD_LIVES'] ?? 25)

/** Lets a child write for a while and kills it; what it found at its start, and the highest numbers it saw acknowledged. */
async function writeAndKill(
  folder: string,
  afterMillis: number,
): Promise<{ opened: string; acknowledged: Map<string, number> }> {
  const child = spawn(process.execPath, [writerProcess, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  let isDoomed = false
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk
    if (!isDoomed) setTimeout(() => child.kill('SIGKILL'), afterMillis)
    isDoomed = true
  })
  await new Promise((resolve) => child.on('close', resolve))
  const [opened = '', ...lines] = output.split('\n').slice(0, -1)
  const acknowledged = new Map<string, number>()
  for (const line of lines) {
    const [name = '', number] = line.split(' ')
    acknowledged.set(name, Math.max(acknowledged.get(name) ?? 0, Number(number)))
  }
  return { opened, acknowledged }
}

/** What is wrong with what a store holds; positions by name. */
async function inspect(store: EmbeddedStore): Promise<{ faults: string[]; positions: number[] }> {
  const faults: string[] = []
  const positions = names.map((collector) =>
    store.position({ collector, epoch: 'e', lane: 'live' }),
  )
  const found = await store.select([], -Infinity, Infinity)
  for (const { labels, times, values, staleTimes } of found) {
    const instance = labels['instance'] ?? ''
    const column = Number(labels['column'])
    const position = positions[Math.max(0, names.indexOf(instance))]!
    const written = (n: number) => {
      if (labels['__name__'] === 'sent') return n + column / 4
      return instance === 'c' ? n / 3 : instance === 'b' ? -n : n
    }
    const isWhole = times.length === position && staleTimes.length === 0
    const isRight = times.every(
      (at, i) => at === base + (i + 1) * 60_000 && values[i] === written(i + 1),
    )
    if (!isWhole || !isRight)
      faults.push(`${JSON.stringify(labels)}: ${times.length} samples, position ${position}`)
  }
  const expected = (positions[0]! > 0 ? 3 : 0) + positions.slice(1).filter((p) => p > 0).length * 20
  if (found.length !== expected) faults.push(`${found.length} series, not ${expected}`)
  if (store.stats().damaged > 0) faults.push('damage reported')
  return { faults, positions }
}

t.test(
  `killed ${lives} times under load: what was acknowledged is there, exactly once`,
  {
    timeout: 280_000,
  },
  async (t) => {
    const folder = temporaryFolder(t, tmpdir())
    let before = names.map((name) => `${name} 0`).join(' ')
    let sealed = 0
    let total = 0
    for (let life = 0; life < lives; life++) {
      const { opened, acknowledged } = await writeAndKill(
        folder,
        // Every tenth lives long enough to seal and merge, on a slow machine too.
        life % 10 === 9 ? 1500 : Math.random() * 250,
      )
      if (opened !== `open ${before}`) t.fail(`life ${life}: ${opened}, not open ${before}`)
      // Looking seals and merges nothing, and what it replays stays for the next life.
      const store = await openStore(folder, handClock(base + 365 * 24 * hour))
      const { faults, positions } = await inspect(store)
      for (const fault of faults) t.fail(`life ${life}: ${fault}`)
      for (const [i, name] of names.entries())
        if (positions[i]! < (acknowledged.get(name) ?? 0))
          t.fail(
            `life ${life}: ${name} ${acknowledged.get(name)} acknowledged, ${positions[i]} found`,
          )
      before = names.map((name, i) => `${name} ${positions[i]}`).join(' ')
      sealed = store.stats().partFiles
      total = positions.reduce((sum, position) => sum + position, 0)
      await store.close()
    }
    t.ok(
      total > 40 * lives && sealed > 0,
      `${total} batches and rows over ${lives} lives, ${sealed} sealed files`,
    )
  },
)
