import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { hangingPlace } from '../../../collector/surveys/hanging-place.ts'
import { askNoting, inventorySurvey } from '../../../collector/surveys/inventory.ts'
import { type Lingering, runSurvey } from '../../../collector/surveys/run.ts'
import type { Survey } from '../../../collector/surveys/survey.ts'
import { SurveyWatch } from '../../../collector/surveys/watch.ts'
import { childEnvironment, trustedPath } from '../../../collector/trusted-program.ts'
import { packageRoot } from '../../../server/assets.ts'
import { eventually } from '../../helpers/fake-hub.ts'
import { folderOf } from '../../helpers/folder.ts'

const main = fileURLToPath(new URL('../../../collector/main.js', import.meta.url))

const survey: Survey = {
  name: 'things',
  parts: ['first', 'second', 'third'],
  everyMilliseconds: 3_600_000,
  limitMilliseconds: 60_000,
  take: async () => ({ sections: [], documents: {}, metrics: [] }),
}

/** Long enough for a process to start on a busy machine: a test waits for it only where something hangs. */
const stallMilliseconds = 5000

/** One of its own each time, where `t.testdir` would empty the one before. */
function newFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'callward-surveys-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A survey's process as these lines of JavaScript; `tell` writes a line, `passed` are the paths passed by. */
function entryOf(t: Test, lines: string): { readonly entry: string; starts(): number[] } {
  const folder = newFolder(t)
  const started = join(folder, 'started')
  const head = [
    `import { appendFileSync, existsSync, rmSync } from 'node:fs'`,
    `appendFileSync(${JSON.stringify(started)}, process.pid + '\\n')`,
    `const tell = (line) => console.log(JSON.stringify(line))`,
    `const passed = process.argv.slice(4)`,
    `const hang = () => new Promise((resolve) => setTimeout(resolve, 600000))`,
    `const found = (sections, metrics = []) => tell({ findings: { sections, documents: { passed }, metrics } })`,
  ]
  const entry = join(folder, 'entry.mjs')
  writeFileSync(entry, `${head.join('\n')}\n${lines}`)
  const starts = () =>
    existsSync(started) ? readFileSync(started, 'utf8').trim().split('\n').map(Number) : []
  return { entry, starts }
}

t.test(
  'a survey’s process gets a fixed path and no more than configures the collector',
  async (t) => {
    const { entry } = entryOf(
      t,
      'tell({ findings: { sections: [], documents: { env: process.env }, metrics: [] } })',
    )
    const environment = {
      PATH: '/tmp/evil:/usr/bin',
      LD_PRELOAD: '/tmp/evil.so',
      NODE_OPTIONS: '--require=/tmp/evil.js',
      HOME: '/home/somebody',
      CALLWARD_TOKEN: 'secret',
      CALLWARD_CONFIG: '/etc/callward/collector.yaml',
      CALLWARD_DATA: undefined,
    }
    const expected = {
      PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
      LC_ALL: 'C',
      HOME: '/',
      CALLWARD_CONFIG: '/etc/callward/collector.yaml',
    }
    t.strictSame(childEnvironment(environment), expected)
    const { documents } = await runSurvey(entry, survey, { environment })
    t.match(documents['env'], expected)
    const env = documents['env'] as Record<string, string>
    t.notMatch(JSON.stringify(env), /evil|secret|somebody/)
    // The test runner puts its own hook into every process of Node.
    const own = Object.keys(env).filter((key) => !/^_TAPJS_|^NODE_OPTIONS$/.test(key))
    t.strictSame(own.sort(), Object.keys(expected).sort())
  },
)

t.test('the inventory starts no program that somebody’s PATH put first', async (t) => {
  const folder = newFolder(t)
  const mark = join(folder, 'started')
  // The programs that the library asks, all of them writing that they were started.
  const names = ['cat', 'dmidecode', 'getconf', 'grep', 'ls', 'lsblk', 'lscpu', 'sh', 'uname']
  for (const name of names) {
    const file = join(folder, name)
    writeFileSync(file, `#!/bin/sh\necho ${name} >> ${mark}\n`)
    chmodSync(file, 0o755)
  }
  const environment = { ...process.env, PATH: `${folder}:${process.env['PATH']}` }
  const before = process.env['PATH']
  process.env['PATH'] = environment.PATH
  t.teardown(() => {
    process.env['PATH'] = before
  })
  const { documents, sections } = await runSurvey(main, inventorySurvey, { environment })
  t.not(sections[0]?.state, 'error', JSON.stringify(sections))
  t.strictSame(Object.keys(documents).sort(), ['hardware', 'os'])
  t.notOk(existsSync(mark), existsSync(mark) ? readFileSync(mark, 'utf8') : 'none was started')
})

t.test('a path that hangs is passed by, and the rest is read', async (t) => {
  const { entry, starts } = entryOf(
    t,
    `for (const path of ['/no/such/a', '/no/such/b', '/no/such/c']) {
       if (passed.includes(path)) continue
       tell({ at: path })
       if (path !== '/no/such/c') await hang()
     }
     found([{ name: 'first', state: 'error', detail: passed.join(' ') }])
     await hang()`,
  )
  const found = await runSurvey(entry, survey, { stallMilliseconds })
  t.match(found, {
    documents: { passed: ['/no/such/a', '/no/such/b'] },
    sections: [{ name: 'first', state: 'error', detail: '/no/such/a /no/such/b' }],
  })
  t.equal(found.isCut, undefined)
  t.equal(
    starts().length,
    3,
    'one after the other; the last is ended though it has more to wait for',
  )
  for (const pid of starts()) t.throws(() => process.kill(pid, 0), 'none is left')
})

t.test(
  'a survey that is cut: finished parts are told, the one that hung is named, none looks well',
  async (t) => {
    const { entry } = entryOf(
      t,
      `tell({ part: 'first' })
     tell({ section: { name: 'first', state: 'ok', detail: '' } })
     tell({ part: 'second' })
     tell({ at: 'the device' })
     await hang()`,
    )
    t.strictSame(await runSurvey(entry, survey, { stallMilliseconds }), {
      sections: [
        { name: 'first', state: 'ok', detail: '' },
        {
          name: 'second',
          state: 'error',
          detail: 'the things failed: no answer within 5 s at the device',
        },
        {
          name: 'third',
          state: 'error',
          detail: 'not read: second before it did not come to an end',
        },
      ],
      documents: {},
      metrics: [],
      isCut: true,
    })
    for (const [lines, why] of [
      ['console.log("nonsense")', /its answer is not understood/],
      ['tell({ findings: {} })', /no documents/],
      ['process.exit(3)', /its process ended with code 3/],
    ] as const) {
      const { sections } = await runSurvey(entryOf(t, lines).entry, survey)
      t.strictSame(
        sections.map(({ name, state }) => `${name} ${state}`),
        ['first error', 'second error', 'third error'],
      )
      t.match(sections[0]?.detail, why)
    }
  },
)

t.test(
  'a process that cannot be ended stays the only one, and the section says since when',
  async (t) => {
    const folder = folderOf(t, { hangs: '' })
    const flag = join(folder, 'hangs')
    const { entry, starts } = entryOf(
      t,
      `tell({ at: '/no/such/disk' })
     if (existsSync(${JSON.stringify(flag)})) await hang()
     found([{ name: 'first', state: 'ok', detail: '' }])`,
    )
    const lingering = new Map<string, Lingering>()
    const now = () => Date.parse('2026-03-01T10:00:00Z')
    // As for a process that waits in the kernel: the signal has no effect.
    const stuck = { stallMilliseconds, endMilliseconds: 1, kill: () => {}, lingering, now }
    const first = await runSurvey(entry, survey, stuck)
    t.match(first.sections[0]?.detail, /no answer within 5 s at \/no\/such\/disk/)
    t.equal(starts().length, 1, 'a second one is not started beside it to pass the path by')
    const second = await runSurvey(entry, survey, stuck)
    t.match(second, {
      isCut: true,
      sections: [
        {
          state: 'error',
          detail:
            /not started: its process hangs at \/no\/such\/disk since 2026-03-01T10:00:00Z and cannot be ended/,
        },
      ],
    })
    t.equal(starts().length, 1)
    t.match(
      await runSurvey(entryOf(t, 'found([])').entry, { ...survey, name: 'others' }, stuck),
      { documents: {} },
      'others go on',
    )
    rmSync(flag)
    process.kill(starts()[0]!, 'SIGKILL')
    await eventually('it has ended', () => !lingering.has('things'), 30_000)
    const third = await runSurvey(entry, survey, { lingering })
    t.equal(third.isCut, undefined, 'when it has ended the survey is taken again')
    t.equal(starts().length, 2)
  },
)

t.test('figures of a survey that is cut grow old, they do not vanish', async (t) => {
  const folder = newFolder(t)
  const second = join(folder, 'second')
  const { entry, starts } = entryOf(
    t,
    `tell({ part: 'first' })
     tell({ section: { name: 'first', state: 'ok', detail: '' } })
     if (existsSync(${JSON.stringify(second)})) process.exit(4)
     found([{ name: 'first', state: 'ok', detail: '' }], [{ name: 'things', labels: {}, value: 7 }])`,
  )
  const documents: unknown[] = []
  const warned: unknown[] = []
  const quiet = {
    info: () => {},
    error: () => {},
    debug: () => {},
    warn: (of: unknown) => warned.push(of),
  }
  const watch = new SurveyWatch({
    entry,
    environment: {},
    surveys: [{ ...survey, everyMilliseconds: 3_600_000 }],
    onDocument: (name) => documents.push(name),
    logger: quiet,
    now: () => 1000,
  })
  t.teardown(() => watch.stop())
  watch.start()
  await eventually('the first', () => documents.length === 1, 30_000)
  writeFileSync(second, '')
  watch.again('things')
  await eventually('the second', () => warned.length === 1, 30_000)
  t.equal(starts().length, 2)
  t.equal(documents.length, 1, 'no document of half a survey')
  t.strictSame(
    watch.sections.map(({ name, state }) => `${name} ${state}`),
    ['first ok', 'second error', 'third error'],
  )
  const figures = new Map(watch.metrics.map(({ name, value }) => [name, value]))
  t.equal(figures.get('things'), 7)
  t.equal(figures.get('callward_survey_timestamp_seconds'), 1, 'of when it was last whole')
})

t.test('what is passed by: the mount a path lies on, but never the root or /proc', async (t) => {
  const mounts = [
    '/dev/sda1 / ext4 rw 0 0',
    'proc /proc proc rw 0 0',
    'nas:/a /mnt/nas nfs4 rw 0 0',
    'nas:/b /mnt/nas/deep\\040er nfs4 rw 0 0',
  ].join('\n')
  const cases = [
    ['/mnt/nas/keys/a.pem', '/mnt/nas'],
    ['/mnt/nas/deep er/a.pem', '/mnt/nas/deep er'],
    ['/mnt/nas', '/mnt/nas'],
    ['/mnt/nasty/a.pem', '/mnt/nasty/a.pem'],
    ['/proc/4711', '/proc/4711'],
    ['/etc/a.pem', '/etc/a.pem'],
    ['rpm', undefined],
    ['', undefined],
  ] as const
  for (const [path, place] of cases) t.equal(hangingPlace(path, mounts), place, path)
})

t.test('programs are looked for where root alone may put them, whoever looks', async (t) => {
  const system = '/usr/sbin:/usr/bin:/sbin:/bin'
  // Below /tmp, where everybody may write.
  const open = newFolder(t)
  t.equal(trustedPath([open, '/no/such/folder']), system)
  t.equal(trustedPath(['/usr/lib', open]), `${system}:/usr/lib`, 'after those of the system')
  const folder = join(packageRoot, 'collector')
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  const setting = files
    .filter((file) => file.endsWith('.ts'))
    .filter((file) => /PATH: ['"`]/.test(readFileSync(join(folder, file), 'utf8')))
  t.strictSame(setting, [], 'no other search path is written down')
})

t.test('the inventory: a part that gives no answer takes no other with it', async (t) => {
  const faults: string[] = []
  const ask = askNoting(faults, 1)
  t.equal(await ask('disks', () => new Promise(() => {})), undefined)
  t.equal(await ask('bios', () => Promise.reject(new Error('broken'))), undefined)
  t.equal(await ask('cpu', async () => 4), 4)
  t.strictSame(faults, ['disks: no answer within 0.001 s', 'bios: broken'])
})
