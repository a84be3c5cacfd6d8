import { readFile, stat } from 'node:fs/promises'
import { type Case, evaluate, settingsFault, whatIf } from '../../clocks/evaluate.ts'
import { instantOf, readCaseText, supposedFault } from '../../clocks/read-case.ts'
import type { Regime } from '../../clocks/regime.ts'
import { evaluationView, regimeView } from '../../clocks/view.ts'
import { textBytesMax } from '../../clocks/yaml-text.ts'
import { type RegimeFiles, readRegimeFiles } from '../clocks/regime-files.ts'
import {
  type Call,
  type Command,
  CommandError,
  sayJson,
  textOption,
  UsageError,
} from './command.ts'
import { paintFor, plain, table } from './render.ts'

export const clocksCommand: Command = {
  name: 'clocks',
  summary: 'what a regulator or an agreement wants by when, with the article and the reckoning',
  usage:
    'regimes [NAME] | evaluate REGIME FILE [--what-if FACT=TIME,...] [--at TIME] [--folder FOLDER] [--steps] [--json]',
  help: `Time limits as data with citations. Works on files alone: no hub, no network. Not legal advice: counsel must confirm each clock.

  regimes                 the regimes that ship and those of --folder, with what is wrong in the files; exit code 1 when something is
  regimes NAME            its clocks: rule, article, how sure it is, when it was compared with its source, and the facts it asks for
  evaluate REGIME FILE    where each clock stands for the facts of a YAML or JSON file
  --what-if FACT=TIME     as if that fact had been recorded now; several with commas; it stands in the place of what is known
  --at TIME               as of another time: only what was recorded by then counts
  --folder FOLDER         own regimes, as hub.regimesFolder; one of the same name takes the place of a shipped one
  --steps                 how each deadline was reckoned, step by step
  --json                  for programs

A file of facts:

  institution: { kinds: [credit-institution], zone: Europe/Paris, holidays: [2026-12-25] }
  attributes: { severity: sev1 }            # asked for by the regime sla
  facts:
    - { id: a1, fact: aware, at: 2026-03-10T09:00:00+01:00, certainty: estimate }
    - { fact: classified, at: 2026-03-10T11:00:00+01:00 }
    - { fact: aware, at: 2026-03-10T08:40:00+01:00, supersedes: a1, recorded_at: 2026-03-10T12:00:00+01:00 }

Examples:
  callward clocks regimes dora
  callward clocks evaluate dora facts.yaml --steps
  callward clocks evaluate dora facts.yaml --what-if classified=2026-03-10T18:00:00+01:00
  callward clocks evaluate sla facts.yaml --folder /etc/callward/regimes --at 2026-03-10T12:00:00+01:00`,
  options: {
    'what-if': { type: 'string' },
    at: { type: 'string' },
    folder: { type: 'string' },
    steps: { type: 'boolean' },
    json: { type: 'boolean' },
  },
  positionals: [1, 3],
  async run(call) {
    const [action, name, file] = call.positionals
    if (action === 'regimes' && file === undefined) return regimes(call, name)
    if (action === 'evaluate' && name !== undefined && file !== undefined)
      return reckon(call, name, file)
    throw new UsageError(
      'Say: callward clocks regimes [NAME], or callward clocks evaluate REGIME FILE.',
    )
  },
}

async function regimes(call: Call, name: string | undefined): Promise<number> {
  const files = await readRegimeFiles(textOption(call, 'folder'))
  if (name !== undefined) return oneRegime(call, regimeOf(files, name))
  const { byName, faults } = files
  const all = [...byName.values()].map(({ regime, own }) => ({ ...regimeView(regime), own }))
  if (call.values.json === true) sayJson(call, { regimes: all, faults })
  else {
    table(
      call,
      ['REGIME', 'CLOCKS', 'SURE', 'FROM', 'TITLE'],
      all.map(({ name: regime, clocks, own, title }) => [
        regime,
        String(clocks.length),
        [...new Set(clocks.map(({ confidence }) => confidence))].join(', '),
        own ? 'own' : 'shipped',
        title,
      ]),
    )
    for (const { file, line, message } of faults) call.say(plain(`${file}:${line}: ${message}`))
  }
  return faults.length > 0 ? 1 : 0
}

function oneRegime(call: Call, regime: Regime): number {
  const view = regimeView(regime)
  if (call.values.json === true) {
    sayJson(call, view)
    return 0
  }
  call.say(plain(`${view.title} (${view.jurisdiction})`))
  call.say(plain(view.caution))
  for (const clock of view.clocks) {
    const { document, article, url } = clock.citation
    call.say('')
    call.say(plain(`${clock.code}: ${clock.title}`))
    call.say(`  ${plain(clock.rule)}`)
    call.say(`  ${plain(`${document} ${article}${url === null ? '' : ` ${url}`}`)}`)
    call.say(`  ${clock.confidence}, verified on ${clock.verifiedOn}`)
    if (clock.note !== null) call.say(`  ${plain(clock.note)}`)
  }
  call.say('')
  table(
    call,
    ['FACT', 'MEANING'],
    view.facts.map(({ fact, meaning }) => [fact, meaning]),
  )
  if (view.kinds.length > 0) call.say(plain(`Kinds of institution: ${view.kinds.join(', ')}`))
  for (const one of view.notExpressed) call.say(plain(`Not expressed: ${one}`))
  return 0
}

async function reckon(call: Call, name: string, file: string): Promise<number> {
  const regime = regimeOf(await readRegimeFiles(textOption(call, 'folder')), name)
  const now = timeOption(call, 'at') ?? Date.now()
  const theCase = await caseOf(file, regime, now)
  const supposed = supposedOf(textOption(call, 'what-if'), regime)
  const then =
    supposed.length === 0
      ? { now, clocks: evaluate(theCase, regime, now) }
      : whatIf(theCase, supposed, regime, now)
  const view = evaluationView(regime, theCase, then.now, then.clocks)
  if (call.values.json === true) {
    sayJson(call, view)
    return 0
  }
  say(call, view, supposed.length > 0)
  return 0
}

function say(call: Call, view: ReturnType<typeof evaluationView>, isSupposed: boolean): void {
  const paint = paintFor(call.terminal)
  call.say(
    plain(`${view.title}, ${isSupposed ? 'supposed, ' : ''}as of ${view.now} (${view.zone})`),
  )
  for (const clock of view.clocks) {
    const { document, article } = clock.citation
    const due = clock.deadline === null ? '' : `  due ${clock.deadline}`
    call.say('')
    call.say(
      `${paint(colourOf(clock.state), clock.state.toUpperCase())}  ${plain(clock.code)}${due}`,
    )
    call.say(`  ${plain(clock.because)}`)
    for (const { deadline, because } of clock.previous)
      call.say(`  before: ${deadline ?? '-'}; ${plain(because)}`)
    if (call.values.steps === true)
      for (const { kind, text } of clock.steps) call.say(`    ${kind.padEnd(7)} ${plain(text)}`)
    call.say(
      `  ${plain(`${document} ${article}`)} (${clock.confidence}, verified on ${clock.verifiedOn})`,
    )
    if (clock.note !== null) call.say(`  ${plain(clock.note)}`)
    if (clock.ifItCannotBeMet !== null && ['at risk', 'breached'].includes(clock.state))
      call.say(`  ${plain(clock.ifItCannotBeMet)}`)
  }
  call.say('')
  if (view.unusedFacts.length > 0)
    call.say(
      `No clock looks at: ${plain(view.unusedFacts.join(', '))}. Misspelt? callward clocks regimes ${view.regime}`,
    )
  call.say(plain(view.caution))
}

/** A word whose colour the terminal knows. */
function colourOf(state: string): string {
  if (state === 'breached' || state === 'met late') return 'CRITICAL'
  if (state === 'at risk' || state === 'paused') return 'WARNING'
  return state === 'met' ? 'OK' : 'INFO'
}

function regimeOf({ byName, faults }: RegimeFiles, name: string): Regime {
  const found = byName.get(name)?.regime
  if (found !== undefined) return found
  const wrong = faults.map(({ file, line, message }) => `\n  ${file}:${line}: ${message}`).join('')
  throw new CommandError(
    `There is no regime "${name}"; known are ${[...byName.keys()].join(', ')}.${wrong}`,
  )
}

async function caseOf(file: string, regime: Regime, now: number): Promise<Case> {
  let text: string
  try {
    const { size } = await stat(file)
    if (size > textBytesMax) throw new CommandError(`${file} is over ${textBytesMax} bytes.`)
    text = await readFile(file, 'utf8')
  } catch (error) {
    if (error instanceof CommandError) throw error
    const { code } = error as NodeJS.ErrnoException
    throw new CommandError(`${file} cannot be read (${code}). Give the path of a file of facts.`)
  }
  const { value, faults } = readCaseText(text, now)
  if (value === undefined)
    throw new CommandError(
      `${file} has faults:\n${faults.map(({ line, message }) => `  line ${line}: ${message}`).join('\n')}`,
    )
  const missing = settingsFault(value.institution, regime)
  if (missing !== undefined) throw new CommandError(`${file}: ${missing}`)
  return value
}

function timeOption(call: Call, name: string): number | undefined {
  const text = textOption(call, name)
  if (text === undefined) return undefined
  const at = instantOf(text)
  if (at === undefined)
    throw new UsageError(`--${name}: "${text}" is no time. Example: 2026-03-10T12:00:00+01:00`)
  return at
}

function supposedOf(
  text: string | undefined,
  regime: Regime,
): { readonly name: string; readonly at: number }[] {
  if (text === undefined) return []
  const given = text.split(',').map((one) => {
    const place = one.indexOf('=')
    if (place < 1)
      throw new UsageError(
        `"${one}" is no FACT=TIME. Example: classified=2026-03-10T18:00:00+01:00`,
      )
    return { name: one.slice(0, place).trim(), at: one.slice(place + 1).trim() }
  })
  const wrong = supposedFault(given, regime)
  if (wrong !== undefined) throw new UsageError(wrong)
  return given.map(({ name, at }) => ({ name, at: instantOf(at)! }))
}
