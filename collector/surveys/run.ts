import { spawn } from 'node:child_process'
import type { CollectorConfig } from '../config.ts'
import type { Findings, Survey } from './survey.ts'

const outputBytesLimit = 8 * 1024 * 1024

/** Writes the findings as JSON to standard output; the child process of `runSurvey`. */
export async function surveyHere(survey: Survey, config: CollectorConfig): Promise<void> {
  const findings = await survey.take(config).catch((error: unknown) => failed(survey, error))
  await new Promise<void>((resolve) =>
    process.stdout.write(JSON.stringify(findings), () => resolve()),
  )
}

/**
 * Takes the survey in a child process, since it may block and start commands. `entry` is the collector's main file, which
 * reads the same environment again. Never throws: what failed is said in a section of the survey's name.
 */
export async function runSurvey(
  entry: string,
  survey: Survey,
  options: { readonly limitMilliseconds?: number; readonly stop?: AbortSignal } = {},
): Promise<Findings> {
  try {
    const limit = options.limitMilliseconds ?? survey.limitMilliseconds
    const findings = JSON.parse(await runChild(entry, survey, limit, options.stop)) as Findings // our own child wrote it
    if (typeof findings.documents !== 'object') throw new Error('no documents')
    return findings
  } catch (error) {
    return failed(survey, error)
  }
}

function failed({ name }: Survey, error: unknown): Findings {
  const detail = `the ${name} failed: ${error instanceof Error ? error.message : String(error)}`
  return { sections: [{ name, state: 'error', detail }], documents: {}, metrics: [] }
}

function runChild(
  entry: string,
  { name }: Survey,
  limitMilliseconds: number,
  stop: AbortSignal | undefined,
): Promise<string> {
  return new Promise((resolve, reject) => {
    // A group of its own, so that a child's hung command is killed with it.
    const child = spawn(process.execPath, [entry, '--survey', name], {
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    })
    let output = ''
    const fail = (message: string) => {
      killGroup(child.pid)
      reject(new Error(message))
    }
    const late = `no answer within ${limitMilliseconds / 1000} s`
    const timer = setTimeout(() => fail(late), limitMilliseconds)
    const stopped = () => fail('stopped')
    stop?.addEventListener('abort', stopped)
    child.stdout.setEncoding('utf8')
    child.stdout.on('data', (chunk: string) => {
      output += chunk
      if (output.length > outputBytesLimit) fail('over 8 MiB of output')
    })
    child.on('error', (error) => fail(error.message))
    child.on('close', (code) => {
      clearTimeout(timer)
      stop?.removeEventListener('abort', stopped)
      if (code === 0) resolve(output)
      else reject(new Error(`its process ended with code ${code}`))
    })
  })
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // It has just ended by itself.
  }
}
