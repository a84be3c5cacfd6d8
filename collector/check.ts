import { readFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { postureTable } from './backups/command.ts'
import {
  type Check,
  type CheckedSection,
  checkJson,
  checkText,
  type Notice,
  verdictOf,
} from './check-report.ts'
import type { CollectorConfig } from './config.ts'
import { absentHint, type Grantee, grantOf, pathsIn, shellWord } from './grants.ts'
import { readHostOs } from './host-os.ts'
import { groupName, hidepidGroupOf, pathAccess } from './path-access.ts'
import { readSource } from './source.ts'
import { hostSources, sourceNames } from './sources/all.ts'
import { inspectSpool } from './spool/inspect.ts'
import { surveys } from './surveys/all.ts'
import { runSurvey } from './surveys/run.ts'
import { unprovenParsers } from './unproven.ts'
import { version } from './version.ts'
import type { Section } from './wire/frames.ts'

const limitMilliseconds = 5000
const nobody = 65534
/** Made by the package. */
const packageUser = 'callward-collector'

/** What the check uses of the process it runs in. */
export interface CheckProcess {
  /** With the program, its file and `--check` at the head. */
  readonly argv: readonly string[]
  readonly stdout: NodeJS.WriteStream
  readonly stderr: NodeJS.WriteStream
  readonly env: Readonly<Record<string, string | undefined>>
}

/** Reads everything once, says what could be seen and how to grant the rest, and gives the exit code. Writes no file. */
export async function runCheck(
  config: CollectorConfig,
  entry: string,
  { argv, stdout, stderr, env }: CheckProcess,
): Promise<number> {
  const unknown = argv.slice(3).find((argument) => argument !== '--json')
  if (unknown !== undefined) {
    stderr.write(`Unknown argument "${unknown}". Try --help.\n`)
    return 2
  }
  const progress = progressOn(stderr)
  const check = await checkHost(config, entry, env, progress.show).finally(progress.end)
  const onTerminal = stdout.isTTY === true
  const colour = onTerminal && !env['NO_COLOR'] && env['TERM'] !== 'dumb'
  const columns = onTerminal ? Math.max(40, stdout.columns ?? 80) : undefined
  const json = argv.includes('--json')
  stdout.write(json ? checkJson(check) : checkText(check, { columns, colour }))
  return verdictOf(check).exitCode
}

/** Shows what is being read; called before each part. */
type ShowProgress = (text: string) => void

async function checkHost(
  config: CollectorConfig,
  entry: string,
  environment: CheckProcess['env'],
  show: ShowProgress,
): Promise<Check> {
  const { roots, sections: enabled } = config
  const user = ownUser()
  const hidepidGroup = hidepidGroupOf(optionalText(join(roots.proc, 'mounts')))
  const grantee: Grantee = { ...granteeOf(user), hidepidGroup, roots }
  const read = await readSources(config, show)
  const { found, backups } = await takeSurveys(config, entry, environment, show)
  const os = readHostOs(roots.rootfs)
  return {
    host: config.labels.instance,
    os: `${os.name} ${os.version}`,
    version,
    user,
    sections: [...read, ...found, spoolSection(config)].map((section) =>
      explained(section, grantee),
    ),
    switchedOff: [...sourceNames, ...surveys.map(({ name }) => name)].filter(
      (name) => enabled[name] === false,
    ),
    notices: noticesOf(user, hidepidGroup, entry),
    unproven: unprovenParsers,
    backups,
  }
}

async function readSources(
  { roots, sections, watched }: CollectorConfig,
  show: ShowProgress,
): Promise<CheckedSection[]> {
  const sources = hostSources(roots, sections, watched)
  show(`reading ${sources.length} sections`)
  const readings = await Promise.all(
    sources.map((source) => readSource(source, Date.now(), limitMilliseconds)),
  )
  return readings.map(({ name, state, detail, metrics }) => {
    return { name, state, detail, figures: metrics.length }
  })
}

async function takeSurveys(
  { sections: enabled }: CollectorConfig,
  entry: string,
  environment: CheckProcess['env'],
  show: ShowProgress,
): Promise<{ readonly found: readonly CheckedSection[]; readonly backups: string }> {
  const due = surveys.filter(({ name }) => enabled[name] !== false)
  const found: CheckedSection[] = []
  let backups = ''
  for (const [i, survey] of due.entries()) {
    const limit = survey.limitMilliseconds / 1000
    show(`survey ${i + 1} of ${due.length}: ${survey.name}, at most ${limit} s`)
    const { sections, documents, metrics } = await runSurvey(entry, survey, { environment })
    backups += postureTable(documents['backups'])
    const heads = sections.some(({ name }) => name === survey.name)
    const names = new Set(sections.map(({ name }) => name))
    for (const [at, section] of sections.entries()) {
      const carries = heads ? section.name === survey.name : at === 0
      // A document of a section's name is that section's; the others are the survey's.
      const own = Object.keys(documents).filter((one) =>
        names.has(one) ? one === section.name : carries,
      )
      const listed = own.length > 0 || carries ? { documents: own } : {}
      found.push({ ...section, ...listed, ...(carries ? { figures: metrics.length } : {}) })
    }
  }
  return { found, backups: backups.trim() }
}

function spoolSection({ folder }: CollectorConfig): CheckedSection {
  const { state, detail } = inspectSpool(folder)
  return { name: 'spool', state, detail }
}

function explained(section: CheckedSection, grantee: Grantee): CheckedSection {
  if (section.state === 'denied') return { ...section, grant: grantFor(section, grantee) }
  const hint = section.state === 'absent' ? absentHint(section.name) : undefined
  return hint === undefined ? section : { ...section, hint }
}

function grantFor(section: Section, grantee: Grantee) {
  // Not `map(pathAccess)`: its second parameter is not an index.
  const accesses = pathsIn(section.detail).map((path) => pathAccess(path))
  return grantOf(section, accesses, grantee)
}

function noticesOf(user: Check['user'], hidepidGroup: number | undefined, entry: string): Notice[] {
  if (user.id === 0) {
    const text =
      'This is what root sees. The collector runs as a user without rights, who sees less; ask as one:'
    const command = `runuser -u nobody -- ${shellWord(process.execPath)} ${shellWord(entry)} --check`
    return [{ text, commands: [command] }]
  }
  const standIn: Notice[] =
    user.id === nobody
      ? [
          {
            text: `nobody stands in for the collector’s user here; what grants access grants it to ${packageUser}, whom the package makes.`,
            commands: [],
          },
        ]
      : []
  if (hidepidGroup === undefined || process.getgroups?.().includes(hidepidGroup) === true)
    return standIn
  const text =
    '/proc is mounted with hidepid: processes of other users look as if they did not exist. A group that sees them:'
  const group = hidepidGroup === 0 ? 'proc' : `"$(getent group ${hidepidGroup} | cut -d: -f1)"`
  const commands = [
    ...(hidepidGroup === 0
      ? ['groupadd --system proc', 'mount -o remount,hidepid=2,gid=proc /proc']
      : []),
    `usermod -aG ${group} ${granteeOf(user).user}`,
  ]
  return [...standIn, { text, commands }]
}

/** Root asks as nobody to see what a user without rights sees: nothing must be granted to a user whom many programs share. */
function granteeOf(user: Check['user']): Pick<Grantee, 'user' | 'group'> {
  if (user.id === nobody) return { user: packageUser, group: packageUser }
  const group = process.getgid?.() ?? 0
  return { user: user.name || String(user.id), group: groupName(group) ?? String(group) }
}

function ownUser(): Check['user'] {
  const id = process.getuid?.() ?? -1
  try {
    return { id, name: userInfo().username }
  } catch {
    return { id, name: '' } // a user without an entry, as in a container
  }
}

function optionalText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** One line on a terminal that the next replaces; nothing elsewhere. */
function progressOn(stderr: NodeJS.WriteStream): { show: ShowProgress; end(): void } {
  const clear = '\r\x1b[K'
  if (stderr.isTTY !== true) return { show: () => {}, end: () => {} }
  return {
    show: (text) => void stderr.write(`${clear}${text} …`),
    end: () => void stderr.write(clear),
  }
}
