import type { CollectorConfig } from '../config.ts'
import type { Section } from '../wire/frames.ts'
import { type ChildEnd, type ChildOptions, runChild, type SurveyLine } from './child.ts'
import { follow } from './course.ts'
import { hangingPlace } from './hanging-place.ts'
import type { Findings, Survey } from './survey.ts'

/** Places that hang are passed by in a new child, so many times; then the survey is cut. */
const childrenLimit = 4

/**
 * Takes the survey and tells on standard output, one JSON object a line, how far it is and then what it found; the child process of
 * `runSurvey`. `passed` are paths that hung before.
 */
export async function surveyHere(
  survey: Survey,
  config: CollectorConfig,
  passed: readonly string[] = [],
): Promise<void> {
  const tell = (line: SurveyLine) =>
    new Promise<void>((resolve) =>
      process.stdout.write(`${JSON.stringify(line)}\n`, () => resolve()),
    )
  follow({ at: (at) => void tell({ at }), passed })
  const findings = await survey
    .take(config, (part, section) => void tell(section === undefined ? { part } : { section }))
    .catch((error: unknown) => failed(survey, reasonOf(error)))
  await tell({ findings })
}

/** A child that could not be ended, and since when; it waits in the kernel for a device or a mount. */
export interface Lingering {
  readonly sinceMilliseconds: number
  readonly at: string
}

export interface RunOptions extends Partial<ChildOptions> {
  /** Children that could not be ended, by the survey's name: while there is one the survey is not started. Kept by the caller. */
  readonly lingering?: Map<string, Lingering>
  /** Milliseconds since the epoch. */
  readonly now?: () => number
}

/**
 * Takes the survey in a child process, since it may block and start commands. `entry` is the collector's main file. A path that
 * hangs is told as such and the rest is read without it. Never throws: what failed is said in the survey's sections.
 */
export async function runSurvey(
  entry: string,
  survey: Survey,
  options: RunOptions = {},
): Promise<Findings> {
  const old = options.lingering?.get(survey.name)
  if (old !== undefined) return failed(survey, stillThere(old))
  const until = performance.now() + (options.limitMilliseconds ?? survey.limitMilliseconds)
  const passed: string[] = []
  for (;;) {
    const limitMilliseconds = Math.max(1, until - performance.now())
    const child = runChild(entry, survey, passed, { ...options, limitMilliseconds })
    const end = await child.catch(reasonOf)
    if (typeof end === 'string') return failed(survey, end)
    noteLingering(survey, end, options)
    if (end.findings !== undefined) return end.findings
    const place = end.isHung && end.isGone ? hangingPlace(end.at) : undefined
    const isLast = passed.length + 1 >= childrenLimit || performance.now() >= until
    if (place === undefined || isLast || options.stop?.aborted === true)
      return failed(survey, end.why, end)
    passed.push(place)
  }
}

function noteLingering(
  { name }: Survey,
  end: ChildEnd,
  { lingering, now = Date.now }: RunOptions,
): void {
  if (end.isGone || lingering === undefined) return
  lingering.set(name, { sinceMilliseconds: now(), at: end.at })
  void end.gone.then(() => lingering.delete(name))
}

function stillThere({ sinceMilliseconds, at }: Lingering): string {
  const since = new Date(sinceMilliseconds).toISOString().slice(0, 19)
  const where = at === '' ? '' : ` at ${at}`
  return `not started: its process hangs${where} since ${since}Z and cannot be ended; look at the mount or the disk`
}

/** What is known of a survey that did not come to its end: every part has a section, and none that was not read looks well. */
function failed(
  { name, parts = [name] }: Survey,
  why: string,
  end: { readonly part: string; readonly sections: readonly Section[] } = {
    part: '',
    sections: [],
  },
): Findings {
  const error = (part: string, detail: string): Section => ({ name: part, state: 'error', detail })
  const sections = parts.map((part) => {
    const known = end.sections.find((section) => section.name === part)
    if (known !== undefined) return known
    if (end.part === '' || end.part === part) return error(part, `the ${name} failed: ${why}`)
    return error(part, `not read: ${end.part} before it did not come to an end`)
  })
  return { sections, documents: {}, metrics: [], isCut: true }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
