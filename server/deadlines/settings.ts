import Type, { type Static } from 'typebox'
import { settingsFault } from '../../clocks/evaluate.ts'
import { readCase } from '../../clocks/read-case.ts'
import type { Institution, Regime } from '../../clocks/regime.ts'
import type { Regimes } from '../../deadlines/standing.ts'
import { actionRegime } from '../../deadlines/standing.ts'

const Name = Type.String({ pattern: '^[a-z][a-z0-9_-]{0,62}$' })

/** `incidents:` of the configuration, as far as it says whose time limits hold; docs/deadlines.md. */
export const deadlineSettings = {
  /** The regime of response, restore, updates and review. */
  serviceLevels: Type.Optional(Name),
  /** Regimes that are in force for an incident once it is called major. */
  regimes: Type.Optional(Type.Array(Name, { maxItems: 20 })),
  /** Kinds, zone, weekend, holidays and working hours, as in a file of facts; docs/clocks.md. */
  institution: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
} as const

const Settings = Type.Object(deadlineSettings)
export type DeadlineSettings = Static<typeof Settings>

export const defaultServiceLevels = 'sla'
export const defaultRegulators = ['dora']

/** Whom the duties bind, or what is wrong with how that is written. */
export function readInstitution(
  { institution }: DeadlineSettings,
  zone: string,
): Institution | readonly string[] {
  const { value, faults } = readCase({ institution: { zone, ...institution } }, 0)
  return value?.institution ?? faults.map(({ message }) => message)
}

/** The regimes in force, or what keeps them from it. */
export function chooseRegimes(
  settings: DeadlineSettings,
  institution: Institution,
  byName: ReadonlyMap<string, Pick<{ readonly regime: Regime }, 'regime'>>,
): Regimes | readonly string[] {
  const { serviceLevels = defaultServiceLevels, regimes = defaultRegulators } = settings
  const faults: string[] = []
  const find = (key: string, name: string): Regime | undefined => {
    const regime = byName.get(name)?.regime
    const known = [...byName.keys()].join(', ')
    if (name === actionRegime) faults.push(`${key}: "${name}" is taken; name the regime otherwise`)
    else if (regime === undefined)
      faults.push(`${key}: there is no regime "${name}"; known are ${known}`)
    else {
      const fault = settingsFault(institution, regime)
      if (fault !== undefined) faults.push(`${key}: ${fault}`)
    }
    return regime
  }
  const agreed = find('incidents.serviceLevels', serviceLevels)
  const regulators = [...new Set(regimes)].map((name) => find('incidents.regimes', name))
  if (regimes.includes(serviceLevels))
    faults.push(`incidents.regimes: "${serviceLevels}" holds the service levels; leave it out here`)
  const found = regulators.filter((one) => one !== undefined)
  if (agreed === undefined || faults.length > 0) return faults
  return { serviceLevels: agreed, regulators: found, institution }
}
