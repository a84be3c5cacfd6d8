import { settingsFault } from '../clocks/evaluate.ts'
import { readCase } from '../clocks/read-case.ts'
import { readRegimeText } from '../clocks/read-regime.ts'
import type { Institution } from '../clocks/regime.ts'
import type { Regimes } from './standing.ts'

/** The time limits in force as one text, by whose hash the ledger names them: names, settings, and each regime's file as it is. */
export function timeLimitsText(
  { serviceLevels, regulators, institution }: Regimes,
  textOf: (regime: string) => string,
): string {
  const names = [serviceLevels, ...regulators].map(({ name }) => name)
  return JSON.stringify({
    serviceLevels: serviceLevels.name,
    regulators: regulators.map(({ name }) => name),
    institution: plainInstitution(institution),
    regimes: Object.fromEntries(names.map((name) => [name, textOf(name)])),
  })
}

/** Reads such a text again; undefined where it is none, or a regime of it has a fault. */
export function readTimeLimits(text: string): Regimes | undefined {
  const value = parsed(text)
  if (value === undefined) return undefined
  const { serviceLevels, regulators, institution, regimes } = value
  const { value: read } = readCase({ institution }, 0)
  if (read === undefined || !Array.isArray(regulators) || !isRecord(regimes)) return undefined
  const found = [serviceLevels, ...regulators].map((name) => {
    const content = typeof name === 'string' ? regimes[name] : undefined
    const regime = typeof content === 'string' ? readRegimeText(content).value : undefined
    const usable = regime?.name === name && settingsFault(read.institution, regime!) === undefined
    return usable ? regime : undefined
  })
  const [first, ...others] = found
  const rest = others.filter((one) => one !== undefined)
  if (first === undefined || rest.length < others.length) return undefined
  return { serviceLevels: first, regulators: rest, institution: read.institution }
}

function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** With the keys that a file of facts has. */
function plainInstitution({ kinds, zone, weekend, holidays, workingHours }: Institution) {
  return {
    ...{ kinds, zone, weekend, holidays },
    ...(workingHours === undefined
      ? {}
      : { working_hours: { from: hourText(workingHours.from), to: hourText(workingHours.to) } }),
  }
}

function hourText(minutes: number): string {
  const two = (number: number) => String(number).padStart(2, '0')
  return `${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`
}
