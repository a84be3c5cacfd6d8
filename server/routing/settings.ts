import type { AlertView } from '../../alerts/alert.ts'
import type { Calendars } from '../../alerts/calendar.ts'
import { flapBand } from '../../alerts/flap.ts'
import type { RuleExtras } from '../../alerts/rule-extras.ts'
import type { Setting } from './router.ts'
import {
  builtInRouting,
  type RoutingFault,
  type RoutingPlan,
  readRoutingFile,
} from './routing-file.ts'

export interface SettingsOptions {
  /** Of the routing file; without one the built-in routing holds. */
  readonly path: string | undefined
  readonly extrasOf: (alert: AlertView) => RuleExtras
  /** Calendars of rule files; those of the routing file go before them. */
  readonly calendars: Calendars
  readonly log: {
    info(fields: object, text: string): void
    error(fields: object, text: string): void
  }
}

/** How long before its end a silence's author is asked. */
const nudgeBeforeMillis = 15 * 60_000

/** What people configured, from the routing file as it stood when it was last without a fault. */
export class Settings {
  readonly #options: SettingsOptions
  #current: Setting
  #text: string | undefined
  #faults: readonly RoutingFault[] = []
  #applied: Setting | undefined

  constructor(options: SettingsOptions) {
    this.#options = options
    this.#current = this.#settingOf(builtInRouting())
    this.look()
  }

  get current(): Setting {
    return this.#current
  }

  /**
   * Reads the file; where other routing holds than alerts were looked at by, has them looked at anew. That is so at
   * the start, and after an attempt that failed: the next call tries again.
   */
  async apply(lookAnew: () => Promise<unknown>): Promise<void> {
    this.look()
    const setting = this.#current
    if (setting === this.#applied) return
    await lookAnew()
    this.#applied = setting
  }

  get path(): string | undefined {
    return this.#options.path
  }

  /** What is wrong with the file as it stands now; the routing of before holds then. */
  get faults(): readonly RoutingFault[] {
    return this.#faults
  }

  /** Reads the file; true when other routing holds from now on. */
  look(): boolean {
    const { path, log } = this.#options
    if (path === undefined) return false
    const { text, plan, faults } = readRoutingFile(path)
    if (text !== undefined && text === this.#text) return false
    const before = this.#faults
    this.#text = text
    this.#faults = faults
    if (plan === undefined) {
      const same = text === undefined && before[0]?.message === faults[0]?.message
      for (const { line, message } of same ? [] : faults)
        log.error({ file: path, line }, `${path}:${line}: ${message} (the routing of before holds)`)
      return false
    }
    this.#current = this.#settingOf(plan)
    log.info({ file: path, receivers: plan.targets.size }, 'routing file read')
    return true
  }

  #settingOf(plan: RoutingPlan): Setting {
    const { extrasOf, calendars } = this.#options
    const routing = {
      ...plan.config,
      calendars: new Map([...calendars, ...plan.config.calendars]),
    }
    const context = {
      routing,
      topology: plan.topology,
      extrasOf: plan.builtIn ? withoutFlapping(extrasOf) : extrasOf,
      nudgeBefore: nudgeBeforeMillis,
    }
    return { context, plan }
  }
}

/** Without a routing file only rules that ask for it are watched for flapping. */
function withoutFlapping(extrasOf: SettingsOptions['extrasOf']): SettingsOptions['extrasOf'] {
  const known = new WeakMap<RuleExtras, RuleExtras>()
  return (alert) => {
    const extras = extrasOf(alert)
    if (extras.flap !== flapBand) return extras
    const calm = known.get(extras) ?? { ...extras, flap: 'off' as const }
    known.set(extras, calm)
    return calm
  }
}
