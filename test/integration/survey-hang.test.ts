import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Findings } from '../../collector/surveys/survey.ts'

const compiled = fileURLToPath(new URL('../../collector/', import.meta.url))

/** Shell lines that make a FUSE mount whose file system never answers; it is gone with the process that holds it. */
const hungMount = (folder: string) =>
  `exec 3<>/dev/fuse && mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 hung ${folder}`

/** Why this machine cannot make a mount that hangs, or false. */
function unable(): string | false {
  if (process.getuid?.() !== 0) return 'only root can mount'
  const folder = mkdtempSync(join(tmpdir(), 'callward-hung-probe-'))
  const probe = spawnSync('unshare', ['--mount', 'sh', '-c', hungMount(folder)], {
    encoding: 'utf8',
  })
  rmSync(folder, { recursive: true })
  if (probe.status === 0) return false
  const message = `no FUSE mounts here: ${probe.stderr}`
  if (process.env['CALLWARD_REQUIRE_PEERS'] === '1') throw new Error(message)
  return message
}

t.test(
  'a mount that does not answer costs the software survey what lies on it, and no more',
  { skip: unable(), timeout: 120_000 },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'callward-hung-'))
    t.teardown(() => rmSync(folder, { recursive: true, force: true }))
    const hung = join(folder, 'hung')
    mkdirSync(hung)
    mkdirSync(join(folder, 'etc'))
    writeFileSync(join(folder, 'etc/a.conf'), 'a\n')
    writeFileSync(join(folder, 'etc/licence'), 'expires: 2030-01-31\n')
    const config = join(folder, 'collector.yaml')
    const settings = {
      software: {
        files: [join(folder, 'etc/*.conf'), join(hung, 'b.conf')],
        certificates: [join(hung, 'keys/*.pem')],
        licences: [{ path: join(folder, 'etc/licence'), expires: 'expires: (\\S+)' }],
      },
    }
    writeFileSync(config, JSON.stringify(settings))
    // Its own mount namespace, so that nothing else on this machine meets the mount.
    const script = `
      import { runSurvey } from ${JSON.stringify(join(compiled, 'surveys/run.js'))}
      import { softwareSurvey } from ${JSON.stringify(join(compiled, 'surveys/software/software.js'))}
      const environment = { CALLWARD_CONFIG: ${JSON.stringify(config)} }
      const found = await runSurvey(${JSON.stringify(join(compiled, 'main.js'))}, softwareSurvey, { environment, stallMilliseconds: 20000 })
      console.log(JSON.stringify(found))`
    const command = `${hungMount(hung)} && exec "$0" --input-type=module -e "$1"`
    const { stdout, stderr } = spawnSync(
      'unshare',
      ['--mount', 'sh', '-c', command, process.execPath, script],
      { encoding: 'utf8', env: { PATH: process.env['PATH'] ?? '' }, maxBuffer: 64 * 1024 * 1024 },
    )
    const found = JSON.parse(
      stdout || `{"sections":[],"why":${JSON.stringify(stderr)}}`,
    ) as Findings
    const section = (name: string) => found.sections.find((one) => one.name === name)
    t.equal(found.isCut, undefined, `${stderr} ${JSON.stringify(found.sections)}`)
    const says = new RegExp(`${hung} hangs: it gave no answer`)
    t.match(section('config_files'), { state: 'error', detail: says })
    t.match(section('certificates'), { state: 'error', detail: says })
    t.match(section('licences'), { state: 'ok' })
    t.match(section('packages')?.state, /^(ok|absent)$/)
    t.match(section('software'), { state: 'ok' })
    const document = found.documents['software'] as {
      files: readonly { path: string; state: string }[]
      licences: readonly { expiresAt?: string }[]
    }
    t.strictSame(
      document.files.map(({ path, state }) => [path, state]),
      [
        [join(folder, 'etc/a.conf'), 'ok'],
        [join(hung, 'b.conf'), 'error'],
      ],
    )
    t.equal(document.licences[0]?.expiresAt, '2030-01-31T00:00:00Z')
  },
)
