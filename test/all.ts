import { readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

// Runs every test file as a program of its own, without the loaders that the runner puts into each process (for
// TypeScript, mocks and coverage, none of which is used): they cost more than most of the tests themselves.

/** Tests wait for hubs and timers more than they compute: three at a time keep two cores busy. */
const jobs = 3
/** What a file may take on a busy machine. */
const fileTimeoutMillis = 600_000

const folder = fileURLToPath(new URL('.', import.meta.url))
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.test.js') && !file.startsWith('bench'))
  .sort()

t.setTimeout(0)
t.jobs = jobs
let done = 0
for (const file of files) {
  const path = relative(process.cwd(), join(folder, file))
  const command = ['-u', 'NODE_OPTIONS', process.execPath, '--enable-source-maps', path]
  void t
    .spawn('env', command, { buffered: true, name: path, timeout: fileTimeoutMillis })
    .then((result) => {
      done += 1
      const verdict = result?.ok ? 'ok    ' : 'NOT OK'
      const seconds = ((result?.time ?? 0) / 1000).toFixed(0).padStart(4)
      process.stderr.write(`${verdict} ${seconds} s  ${path}  (${done} of ${files.length})\n`)
    })
}
