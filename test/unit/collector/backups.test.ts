import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { readArchives } from '../../../collector/backups/borg.ts'
import { contentOf } from '../../../collector/backups/content.ts'
import { CopyCounter } from '../../../collector/backups/dump.ts'
import { type JobRecord, noRecord, type Sight } from '../../../collector/backups/evidence.ts'
import { endingOf, formOf } from '../../../collector/backups/file-form.ts'
import { patternOf } from '../../../collector/backups/files.ts'
import type { Cadence, Job } from '../../../collector/backups/job.ts'
import { Sample, sampleWithin } from '../../../collector/backups/kind.ts'
import { readBackups as readPgBackups } from '../../../collector/backups/pgbackrest.ts'
import { judge, medianOf, spell, worst } from '../../../collector/backups/posture.ts'
import { BackupRecords } from '../../../collector/backups/records.ts'
import { documentOf, figuresOf } from '../../../collector/backups/report.ts'
import { readSnapshots } from '../../../collector/backups/restic.ts'
import { dueWork, isOverdue, nextDrillAt } from '../../../collector/backups/schedule.ts'
import { cleanScratch, openScratch } from '../../../collector/backups/scratch.ts'
import { readBackups } from '../../../collector/backups/settings.ts'
import { readBtrfsTimes, readLvmTimes, readZfsTimes } from '../../../collector/backups/snapshot.ts'
import { credentialsOf, runTool } from '../../../collector/backups/tool.ts'
import { readManifest, removeTree, sha256Below } from '../../../collector/backups/tree.ts'
import {
  BackupError,
  pgBackRestTroubleIn,
  stored,
  troubleOf,
} from '../../../collector/backups/trouble.ts'
import { safePath, untar } from '../../../collector/backups/untar.ts'
import { folderOf } from '../../helpers/folder.ts'
import fc from '../../helpers/property.ts'

const hour = 3600
const day = 24 * hour
const now = Date.parse('2026-11-22T12:00:00Z')
const ago = (seconds: number) => now - seconds * 1000

const jobOf = (more: object = {}): Job => {
  const faults: string[] = []
  const raw = {
    name: 'cdr',
    kind: 'restic',
    repository: '/r',
    rpoHours: 26,
    drill: { everyHours: 168 },
    ...more,
  }
  const [job] = readBackups({ jobs: [JSON.parse(JSON.stringify(raw))] }, '/data', faults).jobs
  if (job === undefined) throw new Error(faults.join('\n'))
  return job
}
type Seen = Extract<Sight, { state: 'seen' }>
const sightOf = (more: Partial<Seen> = {}): Seen => ({
  state: 'seen',
  copies: 5,
  newest: { id: 'c5', at: ago(3 * hour), bytes: 1000, seconds: 60 },
  earlierBytes: [990, 1000, 1010],
  attempt: undefined,
  isCompleteByLook: true,
  ...more,
})
const drilled = (more: object = {}): NonNullable<JobRecord['drill']> => ({
  startedAt: ago(day),
  finishedAt: ago(day),
  result: 'passed',
  detail: 'all checks passed',
  copy: 'c4',
  copyAt: ago(2 * day),
  mode: 'whole',
  files: 3,
  bytes: 1000,
  seconds: 30,
  checks: [],
  tool: 'restic 0.14',
  ...more,
})
const proven: JobRecord = {
  ...noRecord,
  firstSeenAt: ago(30 * day),
  verify: { at: ago(day), ok: true, copy: 'c4', detail: 'read' },
  drill: drilled(),
}

t.test('posture: protected only when everything was seen, in time and good', async (t) => {
  const check = (
    expected: string,
    job: Job = jobOf(),
    sight: Sight = sightOf(),
    record: JobRecord = proven,
  ) => {
    const { posture, reasons } = judge(job, sight, record, now)
    t.equal([posture, ...reasons.map(({ code }) => code)].join(' '), expected)
    t.equal(posture === 'protected', reasons.length === 0)
    for (const { text } of reasons) t.notMatch(text, /\/|undefined/, 'no path')
  }
  const newest = (more: object) => sightOf({ newest: { ...sightOf().newest!, ...more } })
  const unseen = (code: 'wrongPassword' | 'damaged' | 'late'): Sight => ({
    state: 'unseen',
    trouble: { code, text: 'x' },
  })
  check('protected')
  check('unprotected old', jobOf(), newest({ at: ago(27 * hour) }))
  check('protected', jobOf(), newest({ at: ago(-60) }))
  check('unknown future', jobOf(), newest({ at: ago(-3600) }))
  check('attention runMissed', jobOf({ cadenceHours: 2 }), newest({ at: ago(3 * hour) }))
  check('unprotected empty', jobOf(), sightOf({ newest: undefined, earlierBytes: [] }))
  const none = { newest: undefined, earlierBytes: [] }
  check('unprotected truncated empty', jobOf(), sightOf({ ...none, attempt: 'truncated' }))
  check('unprotected empty growing', jobOf(), sightOf({ ...none, attempt: 'growing' }))
  check('attention truncated', jobOf(), sightOf({ attempt: 'truncated' }))
  check('attention unfinished', jobOf(), sightOf({ attempt: 'unfinished' }))
  check('protected', jobOf(), sightOf({ attempt: 'growing' }))
  check('unprotected small', jobOf({ minimumBytes: 2000 }))
  check('attention sizeOdd', jobOf(), newest({ bytes: 499 }))
  check('attention sizeOdd', jobOf(), newest({ bytes: 2001 }))
  check('protected', jobOf(), newest({ bytes: undefined }))
  check('unknown wrongPassword', jobOf(), unseen('wrongPassword'))
  check('unknown late', jobOf(), unseen('late'))
  check('unprotected damaged', jobOf(), unseen('damaged'))
  check('attention notVerified neverDrilled', jobOf(), sightOf(), noRecord)
  check('attention noDrill', jobOf({ drill: undefined }), sightOf(), {
    ...proven,
    drill: undefined,
  })
  const verify = { ...proven.verify!, ok: false }
  check('unprotected verifyFailed', jobOf(), sightOf(), { ...proven, verify })
  check('attention verifyOld', jobOf({ verifyEveryHours: 12 }))
  check('attention newestNotVerified', jobOf(), sightOf({ isCompleteByLook: false }))
  const read = { ...proven, verify: { ...proven.verify!, copy: 'c5' } }
  check('protected', jobOf(), sightOf({ isCompleteByLook: false }), read)
  const failed = { ...proven, drill: drilled({ result: 'failed', detail: 'hash' }) }
  check('unprotected drillFailed', jobOf(), sightOf(), failed)
  check('attention drillOverdue', jobOf({ drill: { everyHours: 10 } }))
  check('attention drillSlow', jobOf({ drill: { everyHours: 168, rtoMinutes: 0.4 } }))
  const future = { ...proven, drill: drilled({ finishedAt: ago(-hour / 2) }) }
  check('attention drillFuture', jobOf(), sightOf(), future)
  const attempt = { what: 'drill', at: ago(hour), detail: 'no room' } as const
  check('attention drillNotDone', jobOf(), sightOf(), { ...proven, drillAttempt: attempt })
  check('protected', jobOf(), sightOf(), {
    ...proven,
    drillAttempt: { ...attempt, at: ago(2 * day) },
  })
  const snapshot = jobOf({
    kind: 'snapshot',
    tool: 'folder',
    path: '/s',
    repository: undefined,
    drill: undefined,
  })
  check('attention snapshot', snapshot)
  check('attention snapshot', snapshot, sightOf(), noRecord)
  check('unprotected old snapshot', snapshot, newest({ at: ago(30 * hour) }))
})

t.test('a host is as its worst job; no job is unknown; medians; durations in words', async (t) => {
  t.equal(worst([]), 'unknown')
  t.equal(worst(['protected', 'attention']), 'attention')
  t.equal(worst(['attention', 'unknown', 'protected']), 'unknown')
  t.equal(worst(['unknown', 'unprotected']), 'unprotected')
  t.equal(medianOf([1, 2]), undefined)
  t.equal(medianOf([9, 1, 5]), 5)
  t.equal(medianOf([4, 1, 3, 2]), 2.5)
  t.same([1, 90, 3600, 26 * hour, 7 * day].map(spell), [
    '1 second',
    '90 seconds',
    '1 hour',
    '26 hours',
    '7 days',
  ])
})

t.test('no mix of evidence that lacks something reads as protected', async () => {
  fc.assert(
    fc.property(
      fc.record({
        seen: fc.boolean(),
        fresh: fc.boolean(),
        verified: fc.constantFrom('no', 'bad', 'old', 'good'),
        drill: fc.constantFrom('none', 'never', 'failed', 'old', 'good'),
        attempt: fc.constantFrom(undefined, 'truncated', 'empty', 'small', 'unfinished'),
        kind: fc.constantFrom('restic', 'snapshot'),
      }),
      (mix) => {
        const job =
          mix.kind === 'snapshot'
            ? jobOf({
                kind: 'snapshot',
                tool: 'folder',
                path: '/s',
                repository: undefined,
                drill: undefined,
              })
            : jobOf(mix.drill === 'none' ? { drill: undefined } : {})
        const newest = { id: 'c', at: ago(mix.fresh ? 60 : 30 * hour), bytes: 5, seconds: 1 }
        const sight: Sight = mix.seen
          ? sightOf({ newest, earlierBytes: [], attempt: mix.attempt as 'truncated' | undefined })
          : { state: 'unseen', trouble: { code: 'denied', text: 'x' } }
        const at = mix.verified === 'old' ? ago(30 * day) : ago(60)
        const verify = { at, ok: mix.verified !== 'bad', copy: 'c', detail: 'x' }
        const result = mix.drill === 'failed' ? 'failed' : 'passed'
        const drill = drilled({ result, finishedAt: mix.drill === 'old' ? ago(30 * day) : ago(60) })
        const record = {
          ...noRecord,
          verify: mix.verified === 'no' ? undefined : verify,
          drill: ['none', 'never'].includes(mix.drill) ? undefined : drill,
        }
        const isWhole =
          mix.seen &&
          mix.fresh &&
          mix.verified === 'good' &&
          mix.drill === 'good' &&
          mix.attempt === undefined &&
          mix.kind === 'restic'
        return (judge(job, sight, record, now).posture === 'protected') === isWhole
      },
    ),
  )
})

t.test(
  'when drills are due: after a period, at a time, missed, never seen, a clock that leaps',
  async (t) => {
    const every: Cadence = { kind: 'every', seconds: day }
    const local = (text: string) => new Date(text).getTime()
    t.equal(nextDrillAt(every, noRecord, now), now, 'a new job at once')
    t.equal(nextDrillAt(every, { ...noRecord, drill: drilled() }, now), now)
    t.equal(
      nextDrillAt(every, { ...noRecord, drill: drilled({ finishedAt: ago(-day) }) }, now),
      now,
      'a drill of the future counts as none',
    )
    const weekly: Cadence = { kind: 'at', weekday: 0, minutes: 3 * 60 + 30 }
    const sunday = local('2026-11-22T03:30:00')
    const wednesday = local('2026-11-25T10:00:00')
    const since = (text: string) => ({ ...noRecord, firstSeenAt: local(text) })
    t.equal(
      nextDrillAt(weekly, since('2026-11-23T00:00:00'), wednesday),
      local('2026-11-29T03:30:00'),
    )
    t.equal(
      nextDrillAt(weekly, since('2026-11-20T00:00:00'), wednesday),
      sunday,
      'missed: due at once',
    )
    const done = { ...noRecord, drill: drilled({ finishedAt: local('2026-11-22T03:41:00') }) }
    t.equal(nextDrillAt(weekly, done, wednesday), local('2026-11-29T03:30:00'))
    t.equal(isOverdue(weekly, done, local('2026-11-29T12:00:00')), false)
    t.equal(isOverdue(weekly, done, local('2026-11-30T12:00:00')), true)
    t.equal(isOverdue(every, noRecord, now), true, 'what was never seen is not on time')

    const jobs = [jobOf({ name: 'a' }), jobOf({ name: 'b', drill: { everyHours: 1 } })]
    const records = (a: JobRecord, b: JobRecord) =>
      new Map([
        ['a', a],
        ['b', b],
      ])
    const due = (a: JobRecord, b: JobRecord, unproven: [string, string][] = []) => {
      const work = dueWork(jobs, records(a, b), new Map(unproven), now)
      return work && `${work.what} ${work.job.name}`
    }
    const fresh = { ...proven, drill: drilled({ finishedAt: ago(60) }) }
    t.equal(due(fresh, fresh), undefined)
    t.equal(due(fresh, proven), 'drill b')
    t.equal(due({ ...fresh, verify: undefined }, proven), 'verify a', 'the longest due first')
    t.equal(due(fresh, fresh, [['a', 'c9']]), 'verify a', 'a new file that only reading proves')
    t.equal(due(fresh, fresh, [['a', 'c4']]), undefined)
    const tried = (seconds: number) => ({
      ...proven,
      drillAttempt: { what: 'drill' as const, at: ago(seconds), detail: '' },
    })
    t.equal(due(fresh, tried(60)), undefined, 'not tried again at once')
    t.equal(due(fresh, tried(16 * 60)), 'drill b')
    const neither = {
      ...tried(60),
      verify: undefined,
      verifyAttempt: { what: 'verify' as const, at: ago(90), detail: '' },
    }
    t.equal(due(fresh, neither), undefined, 'two that cannot be done do not take turns')
    const weekly2 = { ...proven, drill: drilled({ result: 'failed', finishedAt: ago(25 * hour) }) }
    t.equal(due(weekly2, fresh), 'drill a', 'a failed drill is repeated after a day')
  },
)

t.test(
  'configuration: defaults, and every fault at once with its key and never its value',
  async (t) => {
    const faults: string[] = []
    const { everySeconds, jobs } = readBackups(
      {
        everyMinutes: 1,
        jobs: [
          {
            name: 'a',
            kind: 'restic',
            repository: 'sftp:x:/y',
            passwordFile: '/p',
            rpoHours: 26,
            drill: { at: 'sun 03:30', rtoMinutes: 5 },
          },
          {
            name: 'b',
            kind: 'dump',
            folder: '/d',
            pattern: '*.dump',
            rpoHours: 1,
            drill: { everyHours: 24, checks: [{ table: 'cdr', rows: 5 }, { files: 1 }] },
          },
          { name: 'c', kind: 'snapshot', tool: 'folder', path: '/s', rpoHours: 1 },
        ],
      },
      '/data/collector',
      faults,
    )
    t.same(faults, [])
    t.equal(everySeconds, 60)
    t.match(jobs[0], {
      rpoSeconds: 26 * hour,
      verifyEverySeconds: 7 * day,
      drill: {
        mode: 'sample',
        rtoSeconds: 300,
        scratch: '/data/collector/backups/scratch',
        cadence: { kind: 'at', weekday: 0, minutes: 210 },
      },
    })
    t.match(jobs[1], {
      drill: {
        mode: 'whole',
        checks: [
          { kind: 'rows', table: 'cdr', minimum: 5 },
          { kind: 'files', minimum: 1 },
        ],
      },
    })
    t.equal(jobs[2]?.drill, undefined)
    t.same(readBackups(undefined, '/data', faults).jobs, [])

    const secret = 'hunter2-/srv/secret'
    const bad: string[] = []
    readBackups(
      {
        jobs: [
          { name: 'A!', kind: 'restic', repository: secret, rpoHours: 'soon', passwrd: secret },
          { name: 'x', kind: 'rsnapshot' },
          { name: 'x', kind: 'tar', folder: secret, pattern: 'a/b' },
          {
            name: 'y',
            kind: 'snapshot',
            tool: 'zfs',
            path: 'pool',
            rpoHours: 1,
            drill: { everyHours: 1 },
          },
          { name: 'y', kind: 'restic', rpoHours: 1 },
          {
            name: 'z',
            kind: 'tar',
            folder: '/f',
            pattern: '*',
            rpoHours: 1,
            drill: { checks: [{ table: 'x' }, { files: 1, bytes: 1 }, { file: '../x' }] },
          },
          {
            name: 'w',
            kind: 'dump',
            folder: '/f',
            pattern: '*',
            rpoHours: 1,
            drill: { everyHours: 1, at: '03:00', mode: 'sample', checks: [{ file: '/etc/x' }] },
          },
          {
            name: 'v',
            kind: 'tar',
            folder: '/f',
            pattern: '*',
            rpoHours: 1,
            drill: { checks: [{ table: 'x' }, { files: 1, bytes: 1 }] },
          },
        ],
      },
      '/data',
      bad,
    )
    const expected = [
      /^backups\.jobs\[0\]\.name: must be 1 to 63 small letters.*e\.g\. name: recordings$/,
      /^backups\.jobs\[0\]\.rpoHours: must be hours.*e\.g\. rpoHours: 26$/,
      /^backups\.jobs\[0\]\.passwrd: there is no such key; known are name, kind,.*passwordFile/,
      /^backups\.jobs\[1\]\.kind: must be one of restic, borg,/,
      /^backups\.jobs\[2\]\.rpoHours: is missing; must be hours/,
      /^backups\.jobs\[2\]\.folder: must be an absolute path, e\.g\. folder: \/var\/backups\/asterisk$/,
      /^backups\.jobs\[2\]\.pattern: must be a file name/,
      /^backups\.jobs\[3\]\.drill: a snapshot is not a backup/,
      /^backups\.jobs\[4\]\.repository: must be the repository, or environmentFile/,
      /^backups\.jobs\[5\]\.drill\.checks\[2\]\.file: must be a path below the restored root/,
      /^backups\.jobs\[6\]\.drill\.checks\[0\]\.file: must be a path below/,
      /^backups\.jobs\[7\]\.drill: must have either everyHours or at/,
      /^backups\.jobs\[7\]\.drill\.checks\[1\]: must be one check/,
      /^backups\.jobs\[7\]\.drill\.checks: rows of a table/,
    ]
    const sorted = (lines: string[]) => [...lines].sort().join('\n')
    t.equal(bad.length, expected.length, sorted(bad))
    for (const pattern of expected)
      t.ok(
        bad.some((one) => pattern.test(one)),
        String(pattern),
      )
    t.notMatch(bad.join('\n'), secret)
    const more: string[] = []
    readBackups({ jobs: [jobTwice, jobTwice], scratch: 'here', every: 5 }, '/data', more)
    t.match(more.join('\n'), /backups\.scratch: must be an absolute path/)
    t.match(more.join('\n'), /backups\.every: there is no such key; known are everyMinutes/)
    const twice: string[] = []
    readBackups({ jobs: [jobTwice, jobTwice] }, '/data', twice)
    t.match(twice, [/backups\.jobs\[1\]\.name: is the name of backups\.jobs\[0\], too/])
    const many: string[] = []
    readBackups({ jobs: Array.from({ length: 33 }, () => jobTwice) }, '/data', many)
    t.match(many, [/backups\.jobs: must be a list of at most 32 jobs/])
  },
)
const jobTwice = { name: 'x', kind: 'tar', folder: '/f', pattern: '*', rpoHours: 1 }

t.test(
  'document and figures: no path, equal while nothing changes, nothing for what is not known',
  async (t) => {
    const job = jobOf({
      repository: '/srv/very-secret',
      passwordFile: '/etc/very-secret',
      drill: { everyHours: 168, rtoMinutes: 10 },
    })
    const judged = (at: number, sight: Sight, record: JobRecord) => [
      { job, sight, record, judgement: judge(job, sight, record, at) },
    ]
    const sight = sightOf()
    const first = JSON.stringify(documentOf(judged(now, sight, proven), now))
    t.equal(first, JSON.stringify(documentOf(judged(now + 600_000, sight, proven), now + 600_000)))
    t.notMatch(first, /very-secret/)
    t.match(JSON.parse(first), {
      posture: 'protected',
      jobs: [
        {
          name: 'cdr',
          posture: 'protected',
          reasons: [],
          lastBytes: 1000,
          medianBytes: 1000,
          drill: { result: 'passed', seconds: 30 },
          nextDrillAt: '2026-11-28T12:00:00.000Z',
        },
      ],
    })
    const figures = (record: JobRecord, seen: Sight) =>
      Object.fromEntries(
        figuresOf(judged(now, seen, record), now).map((one) => [
          `${one.name}${one.labels['state'] ?? ''}`,
          one.value,
        ]),
      )
    t.match(figures(proven, sight), {
      callward_backup_postureprotected: 1,
      callward_backup_postureunknown: 0,
      callward_backup_last_success_timestamp_seconds: ago(3 * hour) / 1000,
      callward_backup_size_bytes: 1000,
      callward_backup_rpo_seconds: 26 * hour,
      callward_backup_verify_ok: 1,
      callward_restore_drill_ok: 1,
      callward_restore_drill_duration_seconds: 30,
      callward_restore_drill_rto_seconds: 600,
      callward_restore_drill_overdue: 0,
    })
    const reasons = (record: JobRecord, seen: Sight) =>
      figuresOf(judged(now, seen, record), now)
        .filter(({ name }) => name === 'callward_backup_reason')
        .map(({ labels, value }) => `${labels['state']} ${labels['reason']} ${value}`)
    t.same(reasons(proven, sight), [], 'protected: no reason')
    t.same(
      reasons(noRecord, { state: 'unseen', trouble: { code: 'denied', text: 'x' } }),
      ['unknown denied 1', 'attention notVerified 1', 'attention neverDrilled 1'],
      'every reason, worst first, for the rules to tell them apart',
    )
    const blind = figures(noRecord, { state: 'unseen', trouble: { code: 'denied', text: 'x' } })
    t.same(Object.keys(blind).sort(), [
      'callward_backup_postureattention',
      'callward_backup_postureprotected',
      'callward_backup_postureunknown',
      'callward_backup_postureunprotected',
      'callward_backup_reasonattention',
      'callward_backup_reasonunknown',
      'callward_backup_rpo_seconds',
      'callward_restore_drill_overdue',
      'callward_restore_drill_rto_seconds',
    ])
    t.ok(figuresOf(judged(now, sight, proven), now).length <= 20, 'few series a job')
  },
)

t.test('a tool that was killed says nothing about the backup', async (t) => {
  const run = (script: string) =>
    stored(runTool({ program: 'sh', argv: ['-c', script], limitMilliseconds: 5000 }))
  const codeOf = (script: string) =>
    run(script).then(
      () => 'no trouble',
      (error: BackupError) => error.trouble.code,
    )
  t.equal(await codeOf('kill -9 $$'), 'killed', 'by the kernel, for want of memory')
  t.equal(await codeOf('echo fatal error: runtime: out of memory >&2; exit 2'), 'killed')
  t.equal(await codeOf('echo runtime: failed to create new OS thread >&2; exit 2'), 'killed')
  t.equal(await codeOf('exit 1'), 'damaged')
})

t.test('what tools say becomes a sentence without a path', async (t) => {
  const check = (code: string, tool: string, exit: number, said: string) => {
    const { trouble } = troubleOf(tool, exit, said)
    t.equal(trouble.code, code, said)
    t.notMatch(trouble.text, /srv|secret/)
  }
  check('wrongPassword', 'restic', 1, 'Fatal: wrong password or no key found')
  check('wrongPassword', 'restic', 12, 'x')
  check(
    'missing',
    'restic',
    1,
    'Fatal: unable to open config file: stat /srv/secret/config: no such file or directory',
  )
  check('damaged', 'restic', 1, 'Load(<data/1f>): ciphertext verification failed')
  check('denied', 'restic', 1, 'open /srv/secret/keys: permission denied')
  check(
    'wrongPassword',
    'borg',
    2,
    'passphrase supplied in BORG_PASSPHRASE, by BORG_PASSCOMMAND or via BORG_PASSPHRASE_FD is incorrect.',
  )
  check('missing', 'borg', 2, 'Repository /srv/secret does not exist.')
  check(
    'locked',
    'borg',
    2,
    'Failed to create/acquire the lock /srv/secret/lock.exclusive (timeout).',
  )
  check(
    'damaged',
    'borg',
    2,
    'Data integrity error: Segment entry checksum mismatch [segment 5, offset 8]',
  )
  // Its words may sound like damage or loss; the code is certain.
  for (const code of [27, 30, 31, 32, 37, 43, 72, 76, 78, 96])
    check('refused', 'pgbackrest', code, "ERROR: invalid checksum or '/srv/secret' does not exist")
  check('refused', 'pgbackrest', 31, '')
  check('unreachable', 'pgbackrest', 49, 'x')
  check('locked', 'pgbackrest', 50, 'x')
  check('damaged', 'pgbackrest', 26, 'ERROR: [026]: invalid checksum')
  check('failed', 'pgbackrest', 33, 'x')
  check('failed', 'postgres', 31, 'x')
  t.equal(pgBackRestTroubleIn('FATAL: x\nP00  ERROR: [032]: bad')?.trouble.code, 'refused')
  t.equal(pgBackRestTroubleIn('P00  ERROR: [032]: bad\nP00 ERROR: [026]: x'), undefined)
  t.equal(pgBackRestTroubleIn('FATAL: could not locate a valid checkpoint record'), undefined)
  check('unreachable', 'borg', 2, 'ssh: connect to host secret port 22: Connection refused')
  check('failed', 'restic', 3, 'something new at /srv/secret')
})

t.test('answers of tools: read when they fit, refused when they do not', async (t) => {
  const fails = (read: () => unknown) =>
    t.throws(read, /not understood|no such stanza|reports status/)
  t.match(
    readSnapshots([
      { time: '2026-11-22T04:00:00.123456789+02:00', id: 'abc' },
      {
        time: '2026-11-21T04:00:00Z',
        id: 'old',
        summary: {
          total_bytes_processed: 5,
          backup_start: '2026-11-21T03:00:00Z',
          backup_end: '2026-11-21T04:00:00Z',
        },
      },
    ]),
    [
      { full: 'old', bytes: 5, seconds: 3600 },
      { full: 'abc', bytes: undefined },
    ],
  )
  t.same(readSnapshots(null), [])
  for (const wrong of [{}, 'x', [{}], [{ id: 'a', time: 'now' }], [null]])
    fails(() => readSnapshots(wrong))
  t.match(
    readArchives({ archives: [{ id: 'i', name: 'n', start: '2026-11-22T04:00:00.000000' }] }),
    [{ id: 'i', at: Date.parse('2026-11-22T04:00:00Z') }],
  )
  for (const wrong of [
    null,
    [],
    {},
    { archives: [{}] },
    { archives: [{ id: 'i', name: 'n', start: 'x' }] },
  ])
    fails(() => readArchives(wrong))
  const stanza = (more: object) => [
    {
      name: 'main',
      status: { code: 0 },
      backup: [{ label: '2F', timestamp: { start: 5, stop: 9 }, info: { size: 7 }, error: false }],
      ...more,
    },
  ]
  t.match(readPgBackups(stanza({}), 'main'), [{ label: '2F', at: 9000, bytes: 7, seconds: 4 }])
  t.same(readPgBackups(stanza({ status: { code: 2 } }), 'main'), [])
  for (const wrong of [
    [],
    null,
    stanza({ name: 'other' }),
    stanza({ status: { code: 1 } }),
    stanza({ status: {} }),
    stanza({ backup: [{ label: 'x' }] }),
  ])
    fails(() => readPgBackups(wrong, 'main'))
  t.same(readZfsTimes('1700000000\n1700000060\n'), [1_700_000_000_000, 1_700_000_060_000])
  t.same(
    readBtrfsTimes('ID 260 gen 12 cgen 12 top level 5 otime 2026-11-22 04:00:00 path snaps/x\n'),
    [Date.parse('2026-11-22T04:00:00Z')],
  )
  t.same(
    readLvmTimes(
      '{"report":[{"lv":[{"lv_name":"root","lv_time":"2026-11-01 04:00:00 +0000","origin":""},{"lv_name":"s","lv_time":"2026-11-22 04:00:00 +0000","origin":"root"}]}]}',
    ),
    [Date.parse('2026-11-22T04:00:00Z')],
  )
  fails(() => readZfsTimes('soon\n'))
  fails(() => readBtrfsTimes('ID 260 gen 12\n'))
  fails(() => readLvmTimes('nothing'))
})

t.test('credentials: files only, read each time, nothing that changes what runs', async (t) => {
  const folder = folderOf(t, {
    env: '# comment\nexport AWS_KEY="a b"\nRESTIC_REPOSITORY=s3:x\nLD_PRELOAD=/evil.so\nPATH=/evil\nlower=no\n',
    pass: 'sesame\nsecond line\n',
  })
  const found = credentialsOf(join(folder, 'env'), join(folder, 'pass'))
  t.same(found.environment, { AWS_KEY: 'a b', RESTIC_REPOSITORY: 's3:x' })
  t.equal(found.password, 'sesame')
  t.throws(
    () => credentialsOf(join(folder, 'none'), undefined),
    /its environmentFile cannot be read/,
  )
  chmodSync(join(folder, 'env'), 0o666)
  t.throws(() => credentialsOf(join(folder, 'env'), undefined), /nobody else may write to it/)
})

t.test('the ends of files: whole, cut at any byte, and what only reading tells', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'cwb-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const source = join(folder, 'source')
  mkdirSync(source)
  for (let i = 0; i < 3; i++) writeFileSync(join(source, `f${i}`), 'x'.repeat(i * 700))
  const at = (name: string) => join(folder, name)
  execFileSync('tar', ['-C', folder, '-b', '1', '-cf', at('a.tar'), 'source'])
  const ending = (name: string) => endingOf(at(name), formOf(name))
  const cuts = async (name: string, step: number, least = 0) => {
    const whole = readFileSync(at(name))
    t.equal(await ending(name), 'complete', name)
    for (let length = least; length < whole.length; length += step) {
      writeFileSync(at(`cut-${name}`), whole.subarray(0, length))
      t.equal(await ending(`cut-${name}`), 'truncated', `${name} cut at ${length}`)
    }
  }
  await cuts('a.tar', 97)
  writeFileSync(at('a.sql'), `${'INSERT;\n'.repeat(900)}-- PostgreSQL database dump complete\n--\n`)
  await cuts('a.sql', 1001)
  if (existsSync('/usr/bin/zstd')) {
    writeFileSync(
      at('big'),
      Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * i * 31) % 251)),
    )
    for (const options of [['--check'], ['--no-check'], ['-1', '--content-size']]) {
      execFileSync('zstd', ['-qf', ...options, at('big'), '-o', at('a.zst')])
      await cuts('a.zst', 997)
    }
  }
  writeFileSync(at('a.gz'), gzipSync('hello'))
  t.equal(await ending('a.gz'), 'unsure')
  writeFileSync(at('b.gz'), 'no gzip at all, but long enough')
  t.equal(await ending('b.gz'), 'truncated')
  t.same(
    ['x.tar.gz', 'x.tgz', 'x.sql.zst', 'x.dump', 'x.tar', 'x.bin'].map((one) =>
      Object.values(formOf(one)).join(' '),
    ),
    ['tar gzip', 'tar gzip', 'sql zstd', 'pgdump ', 'tar ', 'other '],
  )
  t.ok(patternOf('cdr-*.tar.gz').test('cdr-1.tar.gz'))
  t.notOk(patternOf('cdr-?.tar').test('cdr-11.tar'))
  t.notOk(patternOf('a.tar').test('aXtar'))
})

/** A tar of entries as anybody could write it. */
function tarOf(entries: { name: string; type?: string; body?: string; link?: string }[]): Buffer {
  const blocks = entries.flatMap(({ name, type = '0', body = '', link = '' }) => {
    const header = Buffer.alloc(512)
    header.write(name, 0)
    header.write('0000644\0', 100)
    header.write(`${Buffer.byteLength(body).toString(8).padStart(11, '0')}\0`, 124)
    header.write(type, 156)
    header.write(link, 157)
    header.write('ustar\x0000', 257, 'latin1')
    header.write('        ', 148)
    const sum = header.reduce((all, byte) => all + byte, 0)
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
    const content = Buffer.alloc(Math.ceil(Buffer.byteLength(body) / 512) * 512)
    content.write(body)
    return [header, content]
  })
  return Buffer.concat([...blocks, Buffer.alloc(1024)])
}
async function* pieces(whole: Buffer, size = 700): AsyncGenerator<Buffer> {
  for (let at = 0; at < whole.length; at += size) yield whole.subarray(at, at + size)
}

t.test('an archive cannot reach out of the folder it is unpacked into', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'cwb-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const target = join(folder, 'target')
  const unpack = async (whole: Buffer, bytesLimit = 1e6) => {
    rmSync(target, { recursive: true, force: true })
    mkdirSync(target)
    return untar(pieces(whole), { target, bytesLimit })
  }
  const outside = () => readdirSync(folder).join()
  for (const name of ['../evil', 'a/../../evil', '..', 'a/..', './../evil']) {
    await t.rejects(unpack(tarOf([{ name, body: 'x' }])), /leads out/, name)
    t.equal(outside(), 'target', name)
  }
  const absolute = await unpack(tarOf([{ name: `${folder}/evil`, body: 'x' }]))
  t.match(absolute, { files: 1, skipped: 0 })
  t.notOk(existsSync(join(folder, 'evil')))
  t.ok(existsSync(join(target, folder, 'evil')), 'an absolute name lands below the target')
  const linked = await unpack(
    tarOf([
      { name: 'out', type: '2', link: folder },
      { name: 'out/evil', body: 'x' },
      { name: 'hard', type: '1', link: join(folder, 'victim') },
      { name: 'hard', body: 'y' },
      { name: 'null', type: '3' },
      { name: 'pipe', type: '6' },
    ]),
  )
  t.match(linked, { files: 2, skipped: 4 })
  t.equal(outside(), 'target')
  const pax = (key: string, value: string) => {
    const rest = ` ${key}=${value}\n`
    let length = rest.length + 1
    while (`${length}${rest}`.length !== length) length = `${length}${rest}`.length
    return `${length}${rest}`
  }
  await t.rejects(
    unpack(
      tarOf([
        { name: 'p', type: 'x', body: pax('path', '../evil') },
        { name: 'ok', body: 'x' },
      ]),
    ),
    /leads out/,
  )
  await t.rejects(
    unpack(
      tarOf([
        { name: 'l', type: 'L', body: '../evil\0' },
        { name: 'ok', body: 'x' },
      ]),
    ),
    /leads out/,
  )
  await t.rejects(
    unpack(
      tarOf([
        { name: 'a', body: 'x' },
        { name: 'a/b', body: 'y' },
      ]),
    ),
    /damaged/,
    'a folder where a file is',
  )
  await t.rejects(unpack(tarOf([{ name: 'big', body: 'x'.repeat(2000) }]), 1000), /larger than/)
  const whole = tarOf([
    { name: 'a', body: 'x'.repeat(600) },
    { name: 'b', body: 'y' },
  ])
  for (let length = 0; length < whole.length; length += 211)
    await t.rejects(unpack(whole.subarray(0, length)), /damaged or ends early/, `cut at ${length}`)
  const real = join(folder, 'real.tar')
  rmSync(target, { recursive: true })
  mkdirSync(join(target, 'deep/'.repeat(30)), { recursive: true })
  writeFileSync(join(target, 'deep/'.repeat(30), 'n'.repeat(90)), 'content')
  execFileSync('tar', ['-C', target, '-cf', real, '.'])
  t.match(await unpack(readFileSync(real)), { files: 1 }, 'long names of GNU tar')
  t.equal(readFileSync(join(target, 'deep/'.repeat(30), 'n'.repeat(90)), 'utf8'), 'content')
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 1500 }), async (bytes) => {
      await unpack(Buffer.from(bytes)).catch((error: unknown) => t.ok(error instanceof BackupError))
      t.equal(outside(), 'real.tar,target')
    }),
    { numRuns: 50 },
  )
  fc.assert(
    fc.property(fc.string(), (name) => {
      try {
        return !safePath(name).split('/').includes('..') && !safePath(name).startsWith('/')
      } catch (error) {
        return error instanceof BackupError
      }
    }),
  )
})

t.test('content: packed files are read to a proven end', async (t) => {
  const folder = folderOf(t, { plain: 'abc' })
  const path = join(folder, 'x.gz')
  const read = async (bytes: Buffer) => {
    writeFileSync(path, bytes)
    let all = ''
    for await (const chunk of contentOf(path, 'gzip', undefined)) all += chunk.toString()
    return all
  }
  const whole = gzipSync('hello world '.repeat(1000))
  t.equal((await read(whole)).length, 12_000)
  for (const length of [10, 30, whole.length - 8, whole.length - 1])
    await t.rejects(read(whole.subarray(0, length)), /damaged/, `cut at ${length}`)
  const flipped = Buffer.from(whole)
  flipped[flipped.length - 6]! ^= 1
  await t.rejects(read(flipped), /damaged/, 'a flipped bit of the checksum')
  symlinkSync(join(folder, 'plain'), join(folder, 'link'))
  await t.rejects(
    async () => {
      for await (const _ of contentOf(join(folder, 'link'), undefined, undefined));
    },
    /no permission/,
    'not through a link',
  )
})

t.test('rows of a plain dump are counted without executing it', async (t) => {
  const dump = [
    'CREATE TABLE public.cdr (a int);',
    'COPY public.cdr (a) FROM stdin;',
    '1',
    'COPY public.fake (a) FROM stdin;',
    `${'9'.repeat(9000)}`,
    '\\.',
    'COPY "Odd"."t" (a) FROM stdin;',
    '\\.',
    '\\! touch /tmp/evil',
    '',
  ].join('\n')
  for (const size of [1, 7, 100_000]) {
    const counter = new CopyCounter()
    for (let at = 0; at < dump.length; at += size)
      counter.take(Buffer.from(dump.slice(at, at + size)))
    t.same(
      [...counter.rows],
      [
        ['public.cdr', 3],
        ['Odd.t', 0],
      ],
    )
  }
})

t.test('samples: bounded, named files first, each as likely as any other', async (t) => {
  const counts = new Map<number, number>()
  for (let run = 0; run < 400; run++) {
    const sample = new Sample<number>(2)
    for (let i = 0; i < 8; i++) sample.offer(i)
    for (const one of sample.picked) counts.set(one, (counts.get(one) ?? 0) + 1)
    t.equal(sample.picked.length, 2)
  }
  t.equal(counts.size, 8)
  const file = (path: string, bytes: number) => ({ path, bytes })
  t.same(
    sampleWithin([file('n', 5)], [file('a', 8), file('b', 3), file('n', 5)], 10).map(
      (one) => one.path,
    ),
    ['n', 'b'],
  )
})

t.test('the scratch folder: only one that is surely of drills', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'cwb-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const backup = join(folder, 'backups')
  mkdirSync(join(backup, 'sub'), { recursive: true })
  const jobs = [jobOf({ kind: 'tar', folder: backup, pattern: '*', repository: undefined })]
  const refused = (path: string, why: RegExp) => t.rejects(openScratch(path, jobs), why, path)
  await refused('/', /refused/)
  await refused('/etc', /refused/)
  await refused('/var/lib/postgresql/scratch', /refused|no permission/)
  await refused('/proc/callward', /./)
  await refused(join(backup, 'scratch'), /is within a place/)
  await refused(folder, /place of the system or of a backup|holds files/)
  writeFileSync(join(folder, 'file'), '')
  await refused(join(folder, 'file'), /no folder/)
  mkdirSync(join(folder, 'mine'))
  writeFileSync(join(folder, 'mine', 'precious'), 'x')
  await refused(join(folder, 'mine'), /holds files/)
  symlinkSync(join(folder, 'mine'), join(folder, 'link'))
  await refused(join(folder, 'link'), /or a link/)
  mkdirSync(join(folder, 'open'))
  chmodSync(join(folder, 'open'), 0o777)
  await refused(join(folder, 'open'), /others may write/)
  symlinkSync(backup, join(folder, 'detour'))
  await refused(join(folder, 'detour', 'sub'), /is within a place/)
  t.ok(existsSync(join(folder, 'mine', 'precious')), 'nothing was removed')

  const scratch = await openScratch(join(folder, 'a', 'scratch'), jobs)
  for (const name of ['drill-0a1b2c3d', 'drill-other', 'keep']) mkdirSync(join(scratch, name))
  mkdirSync(join(scratch, 'drill-0a1b2c3d', 'locked', 'in'), { recursive: true })
  chmodSync(join(scratch, 'drill-0a1b2c3d', 'locked'), 0)
  symlinkSync(join(folder, 'mine'), join(scratch, 'drill-0a1b2c3d', 'link'))
  t.equal(await openScratch(scratch, jobs), scratch, 'its own mark lets it in again')
  t.equal(await cleanScratch(scratch), 1)
  t.same(readdirSync(scratch).sort(), ['.callward-scratch', 'drill-other', 'keep'])
  t.ok(existsSync(join(folder, 'mine', 'precious')), 'no link was followed')
})

t.test('restored trees are read through no link; manifests as sha256sum writes them', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'cwb-'))
  t.teardown(() => removeTree(folder))
  mkdirSync(join(folder, 'sub'))
  writeFileSync(join(folder, 'sub', 'a b'), 'hello')
  execFileSync('sh', ['-c', `cd ${folder} && sha256sum "sub/a b" > SUMS`])
  const [line] = await readManifest(folder, 'SUMS')
  t.equal(line?.path, 'sub/a b')
  t.equal(await sha256Below(folder, 'sub/a b'), line?.sha256)
  symlinkSync('/etc', join(folder, 'etc'))
  symlinkSync('/etc/passwd', join(folder, 'passwd'))
  await t.rejects(sha256Below(folder, 'etc/passwd'), /a folder of it is not there/)
  await t.rejects(sha256Below(folder, 'passwd'), /no regular file/)
  await t.rejects(sha256Below(folder, '../etc/passwd'), /leads out/)
  writeFileSync(join(folder, 'BAD'), 'not a sum\n')
  await t.rejects(readManifest(folder, 'BAD'), /no SHA-256/)
})

t.test(
  'records: written whole; damage is no record; one at a time, a dead holder does not hold',
  async (t) => {
    const records = new BackupRecords(folderOf(t))
    t.strictSame(records.read('cdr'), noRecord)
    records.write('cdr', proven)
    t.strictSame(records.read('cdr'), proven)
    writeFileSync(join(records.folder, 'cdr.json'), '{"drill": {"resu')
    t.strictSame(records.read('cdr'), noRecord)
    const free = records.lock()
    t.throws(() => records.lock(), /another drill/)
    free()
    writeFileSync(join(records.folder, 'working'), '4194999 12345\n')
    records.lock()()
    writeFileSync(join(records.folder, 'working'), `${process.pid} 1\n`)
    records.lock()()
    t.same(readdirSync(records.folder), ['cdr.json'])
  },
)
