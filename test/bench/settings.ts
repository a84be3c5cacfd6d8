import { parseArgs } from 'node:util'

export interface Settings {
  /** Names of benchmarks; all of them when empty. */
  readonly names: readonly string[]
  readonly markdown: boolean
  /** One repeat of small loads: shows that a benchmark works, not how fast anything is. */
  readonly quick: boolean
  /** Only the hub, under the CPU profiler. */
  readonly profile: boolean
  /** Folder in which `incidents` keeps its filled databases, and looks for them. */
  readonly keep: string | undefined
  readonly help: boolean
}

/** What the command line asks for. Throws TypeError for an unknown option. */
export function readSettings(args: readonly string[]): Settings {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      markdown: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      profile: { type: 'boolean', default: false },
      keep: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  return { names: positionals, ...values, keep: values.keep }
}

export const settings = readSettings(process.argv.slice(2))

/** How often each figure is measured; tables show the median and [min..max]. */
export const repeats = settings.quick || settings.profile ? 1 : 3

/** The size of a load: the first, or the second with --quick. */
export function sized(full: number, quick: number): number {
  return settings.quick ? quick : full
}
