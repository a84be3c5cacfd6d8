import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../server/assets.ts'

/** What the Go program answers: `fault` where it refuses. */
export interface GoAnswer {
  readonly fault?: string
  readonly root?: string
  readonly proof?: readonly string[]
  readonly tree?: readonly string[]
  readonly note?: string
  readonly key?: string
  readonly text?: string
}

/** Where Debian puts Go sources (golang-golang-x-mod-dev). */
const sources = '/usr/share/gocode'

/** Whether Go and its module of transparency logs are installed (Debian: golang-go, golang-golang-x-mod-dev). */
export function hasGo(): boolean {
  const { status } = spawnSync('go', ['version'])
  return status === 0 && existsSync(join(sources, 'src/golang.org/x/mod/sumdb/tlog'))
}

/** Builds the Go program of `fixtures/ledger/peer` in a folder; gives a function that asks it all questions at once. */
export function goPeer(folder: string): (questions: readonly object[]) => GoAnswer[] {
  const program = join(folder, 'peer')
  execFileSync('go', ['build', '-o', program, 'main.go'], {
    cwd: join(packageRoot, 'test/fixtures/ledger/peer'),
    env: {
      ...process.env,
      ...{ GOPATH: sources, GO111MODULE: 'off', GOFLAGS: '', CGO_ENABLED: '0' },
      GOCACHE: join(folder, 'cache'),
    },
  })
  return (questions) => {
    const input = questions.map((one) => `${JSON.stringify(one)}\n`).join('')
    const output = execFileSync(program, { input, maxBuffer: 1 << 27 }).toString()
    const answers = output.trimEnd().split('\n')
    if (answers.length !== questions.length)
      throw new Error(`${questions.length} questions, ${answers.length} answers`)
    return answers.map((line) => JSON.parse(line) as GoAnswer)
  }
}
