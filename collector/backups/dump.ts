import { join } from 'node:path'
import { contentOf } from './content.ts'
import { formOf, isSqlEnd } from './file-form.ts'
import { type FoundFile, fileId, lookAtFiles, newestOf } from './files.ts'
import type { FileJob } from './job.ts'
import type { Around, BackupKind, RestoreAround, Restored, Verified } from './kind.ts'
import { postgresPrograms, startEmpty } from './postgres.ts'
import { runTool } from './tool.ts'
import { BackupError, stored } from './trouble.ts'

/** Dumps of databases: PostgreSQL's custom format is restored into a throw-away cluster; SQL text is read, never executed. */
export const dumpKind: BackupKind<FileJob> = { look: lookAtFiles, verify, restore }

async function verify(job: FileJob, around: Around): Promise<Verified> {
  const file = await newestOf(job, around)
  const { form, packing } = formOf(file.name)
  if (form === 'pgdump' && packing === undefined) {
    await stored(pgRestore(postgresPrograms(), ['--file=/dev/null', file.path], around))
    return {
      copy: fileId(file),
      detail: 'the dump was read from its table of contents to its last table',
    }
  }
  const { bytes } = await readSql(file, around)
  return { copy: fileId(file), detail: `${bytes} bytes were read to the end` }
}

async function restore(job: FileJob, around: RestoreAround): Promise<Restored> {
  const file = await newestOf(job, around)
  const { form, packing } = formOf(file.name)
  const of = { copy: fileId(file), copyAt: file.modifiedAt, files: 1 }
  if (form === 'sql') {
    const { rows, bytes } = await readSql(file, around)
    return { ...of, bytes, rows, tool: 'callward-collector' }
  }
  if (form !== 'pgdump' || packing !== undefined)
    throw new BackupError(
      'refused',
      'this form of dump cannot be restored in a drill: use .dump (custom format) or .sql, also packed',
    )
  // Unpacked, a dump takes several times its size, with indexes more.
  await around.claim(file.bytes * 4)
  const cluster = await startEmpty(around)
  const { socket, user, database } = cluster.at
  const options = ['--exit-on-error', '--no-owner', '--no-privileges']
  const argv = [...options, '-h', socket, '-U', user, '-d', database, file.path]
  await stored(pgRestore(cluster.programs, argv, around), [
    'denied',
    'unreachable',
    'wrongPassword',
  ])
  return { ...of, bytes: file.bytes, tool: `pg_restore, postgresql ${cluster.version}`, cluster }
}

async function pgRestore(programs: string, argv: readonly string[], around: Around): Promise<void> {
  await runTool({
    program: join(programs, 'pg_restore'),
    argv,
    limitMilliseconds: around.limitMilliseconds,
    signal: around.signal,
    ...('target' in around ? { folder: (around as RestoreAround).target } : {}),
  })
}

const newline = 0x0a
/** Longest part of a line that is looked at: statements that begin a table stand in it. */
const lineBytes = 4096

/** Reads SQL text to its end and counts the rows of each `COPY`. Throws BackupError where it does not end as dumps do. */
async function readSql(
  file: FoundFile,
  around: Around,
): Promise<{ rows: Map<string, number>; bytes: number }> {
  const { form, packing } = formOf(file.name)
  const counter = new CopyCounter()
  let bytes = 0
  let tail = ''
  for await (const chunk of contentOf(file.path, packing, around.signal)) {
    bytes += chunk.length
    if (form !== 'sql') continue
    counter.take(chunk)
    tail = (tail + chunk.toString('latin1', Math.max(0, chunk.length - 4096))).slice(-4096)
  }
  if (form === 'sql' && !isSqlEnd(tail))
    throw new BackupError('damaged', 'the dump ends before its last line')
  return { rows: counter.rows, bytes }
}

/** Counts the lines between `COPY table … FROM stdin;` and `\.`, as pg_dump writes them. */
export class CopyCounter {
  readonly rows = new Map<string, number>()
  #line = ''
  #table: string | undefined

  take(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      const end = chunk.indexOf(newline, at)
      const until = end < 0 ? chunk.length : end
      const room = lineBytes - this.#line.length
      if (room > 0) this.#line += chunk.toString('latin1', at, Math.min(until, at + room))
      if (end < 0) return
      this.#endLine()
      at = end + 1
    }
  }

  #endLine(): void {
    const line = this.#line
    this.#line = ''
    if (this.#table === undefined) {
      const [, table] = /^COPY (\S+) .*FROM stdin;$/.exec(line) ?? []
      if (table === undefined) return
      this.#table = table.replaceAll('"', '')
      this.rows.set(this.#table, 0)
    } else if (line === '\\.') this.#table = undefined
    else this.rows.set(this.#table, this.rows.get(this.#table)! + 1)
  }
}
