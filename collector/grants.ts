import type { Roots } from './source.ts'
import type { Section } from './wire/frames.ts'

/** Where the way to a path ends for the user of the check; learned by path-access.ts. */
export interface PathAccess {
  readonly path: string
  /** The first folder on the way that the user may not enter; undefined when all are open. */
  readonly closedFolder: string | undefined
  /** `unknown` behind a closed folder. */
  readonly kind: 'file' | 'folder' | 'socket' | 'unknown'
  /** A group other than root's that may read it, so that membership outlives the file; undefined when there is none. */
  readonly readingGroup: string | undefined
}

/** Whom to grant, and what of the host bears on it. */
export interface Grantee {
  readonly user: string
  /** Its own group. */
  readonly group: string
  /** Group that sees all processes where /proc is mounted with hidepid (man 5 proc); 0 where no group does, undefined without hidepid. */
  readonly hidepidGroup: number | undefined
  readonly roots: Roots
}

/** How to let the collector see something; no commands where there is nothing to grant. */
export interface Grant {
  readonly note: string
  /** For root's shell, to be pasted as they are. */
  readonly commands: readonly string[]
}

const pathsPerSectionLimit = 5
const unit = 'callward-collector.service'
const restart = `systemctl restart ${unit}`

/** Absolute paths a detail names, at most five, each once. */
export function pathsIn(detail: string): string[] {
  const found = [...detail.matchAll(/(?:^|[\s'"(=])(\/[^\s'"();,]+)/g)].map((match) =>
    match[1]!.replace(/[.:]+$/, ''),
  )
  return [...new Set(found)].slice(0, pathsPerSectionLimit)
}

/** How to grant what a section in state `denied` lacks. `accesses` are those of `pathsIn(section.detail)`. */
export function grantOf(
  section: Section,
  accesses: readonly PathAccess[],
  grantee: Grantee,
): Grant {
  const own = bySection[section.name]
  if (own !== undefined) return own(grantee)
  const grants = accesses.map((access) => pathGrant(section.name, access, grantee))
  const commands = [...new Set(grants.flatMap((grant) => grant.commands))]
  // Membership and new access lists count from the next start on.
  const last = commands.some((one) => one.startsWith('usermod')) ? [restart] : []
  const note = [...new Set(grants.map((grant) => grant.note))].join(' ')
  if (note === '') return { note: 'The detail says what is missing.', commands: [] }
  return { note, commands: [...commands.filter((one) => one !== restart), ...last] }
}

const smartTimer = 'systemctl enable --now callward-smart.timer'

/** Sections whose denial has one known reason. */
const bySection: Readonly<Record<string, (grantee: Grantee) => Grant>> = {
  inventory: ({ group }) => ({
    note:
      'Health and firmware of disks come from a timer of root’s, serial numbers from a mode on their files; ' +
      'the memory modules only root sees, and the collector goes without them.',
    commands: [
      smartTimer,
      `echo 'z /sys/class/dmi/id/*_serial 0440 root ${group}' >> /etc/tmpfiles.d/callward.conf`,
      'systemd-tmpfiles --create callward.conf',
    ],
  }),
  kernel_clock: () => ({
    note:
      'The shipped service allows the call adjtimex, which without a capability reads the clock and sets nothing; a setting of this host ' +
      'takes it away. As long as it does, ClockNotSynchronised goes by chronyd alone (section clock_sync).',
    commands: [
      `systemctl cat ${unit} | grep -nE 'ProtectClock|SystemCallFilter'`,
      `mkdir -p /etc/systemd/system/${unit}.d`,
      `printf '[Service]\\nProtectClock=no\\nSystemCallFilter=adjtimex\\n' > /etc/systemd/system/${unit}.d/clock.conf`,
      `systemctl daemon-reload && ${restart}`,
    ],
  }),
  smart: () => ({
    note: 'Only root may ask a disk: a timer of root’s writes what it says where the collector reads it.',
    commands: ['apt-get install smartmontools', smartTimer],
  }),
}

function pathGrant(section: string, access: PathAccess, grantee: Grantee): Grant {
  const below = (root: string) => access.path.startsWith(`${root.replace(/\/+$/, '')}/`)
  if (below(grantee.roots.proc)) return procGrant(access.path, grantee)
  if (below(grantee.roots.sys)) return sysGrant(access.path, grantee)
  if (section === 'filesystem') return mountGrant(access, grantee)
  return fileGrant(access, grantee)
}

function procGrant(path: string, { user, hidepidGroup, roots }: Grantee): Grant {
  const ofProcess = /^\/*\d+(\/|$)/.test(path.slice(roots.proc.length))
  if (ofProcess && hidepidGroup !== undefined && hidepidGroup > 0) {
    const commands = [
      `usermod -aG "$(getent group ${hidepidGroup} | cut -d: -f1)" ${user}`,
      restart,
    ]
    return {
      note: '/proc hides processes of other users (hidepid); its group sees them.',
      commands,
    }
  }
  if (ofProcess && hidepidGroup !== undefined) {
    const commands = [
      'groupadd --system proc',
      `usermod -aG proc ${user}`,
      'mount -o remount,hidepid=2,gid=proc /proc   # and in /etc/fstab',
      restart,
    ]
    return {
      note: '/proc hides processes of other users (hidepid) and lets no group see them.',
      commands,
    }
  }
  if (ofProcess) {
    const note =
      'That belongs to another user’s process: only the capability CAP_SYS_PTRACE opens it, and the collector runs without any.'
    return { note, commands: [] }
  }
  return {
    note: 'The kernel opens this to everyone, so a setting of the service hides it: look for a Proc line that is not the shipped one.',
    commands: [`systemctl cat ${unit} | grep -n Proc`],
  }
}

function sysGrant(path: string, { group, roots }: Grantee): Grant {
  const kernelPath = `/sys${path.slice(roots.sys.replace(/\/+$/, '').length)}`
  return {
    note: 'A mode on a file of /sys lasts until the next boot, so a tmpfiles line sets it at each.',
    commands: [
      `echo ${shellWord(`z ${kernelPath} 0440 root ${group}`)} >> /etc/tmpfiles.d/callward.conf`,
      'systemd-tmpfiles --create callward.conf',
    ],
  }
}

function mountGrant({ path, closedFolder }: PathAccess, { user }: Grantee): Grant {
  if (closedFolder !== undefined) return enterGrant(closedFolder, user)
  const note = `${path} lets only its owner in; a FUSE mount does so unless mounted with allow_other.`
  return { note, commands: [] }
}

function enterGrant(folder: string, user: string): Grant {
  return {
    note: `${folder} may not be entered; when it may, check again for what lies behind it.`,
    commands: [`setfacl -m u:${user}:x ${shellWord(folder)}`],
  }
}

function fileGrant(access: PathAccess, { user }: Grantee): Grant {
  const { path, closedFolder, kind, readingGroup } = access
  if (closedFolder !== undefined) {
    const enter = enterGrant(closedFolder, user)
    return hidden(path, enter)
  }
  if (readingGroup !== undefined) {
    const note = `The group ${readingGroup} may read it, also when the file is replaced.`
    return hidden(path, {
      note,
      commands: [`usermod -aG ${shellWord(readingGroup)} ${user}`, restart],
    })
  }
  const word = shellWord(path)
  if (kind === 'folder') {
    const note = 'Read access for the folder, and for what comes into it later.'
    return hidden(path, {
      note,
      commands: [`setfacl -R -m u:${user}:rX ${word}`, `setfacl -d -m u:${user}:rX ${word}`],
    })
  }
  const right = kind === 'socket' ? 'rw' : 'r'
  const note =
    kind === 'socket'
      ? 'The service that makes this socket sets its mode; until its next start this opens it.'
      : 'Read access for one file; a program that replaces the file drops it.'
  return hidden(path, { note, commands: [`setfacl -m u:${user}:${right} ${word}`] })
}

/** Home folders are behind a setting of the service as well, where a site has made it stricter. */
function hidden(path: string, grant: Grant): Grant {
  if (!/^\/(home|root|run\/user)\//.test(path)) return grant
  const note = `${grant.note} The service must show home folders: ProtectHome=read-only, as shipped.`
  return { ...grant, note }
}

/** A text as one word of a POSIX shell. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

/** What could be had of a section that is `absent`, or nothing where the host simply has no such thing. */
export function absentHint(name: string): string | undefined {
  return absentHints[name]
}

const absentHints: Readonly<Record<string, string>> = {
  pressure: 'a kernel with PSI needs psi=1 on its command line',
  smart:
    'with disks of its own: apt-get install smartmontools && systemctl enable --now callward-smart.timer',
}
