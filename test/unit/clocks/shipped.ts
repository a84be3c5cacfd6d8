import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readRegimeText } from '../../../clocks/read-regime.ts'
import type { Regime } from '../../../clocks/regime.ts'
import { packageRoot } from '../../../server/assets.ts'

const folder = join(packageRoot, 'clocks', 'regimes')

/** Every regime that ships, by name; a faulty one stops the test with its faults. */
export const regimes: ReadonlyMap<string, Regime> = new Map(
  readdirSync(folder).map((file) => {
    const { value, faults } = readRegimeText(readFileSync(join(folder, file), 'utf8'))
    if (value === undefined) throw new Error(`${file}: ${JSON.stringify(faults, null, 1)}`)
    if (file !== `${value.name}.yaml`) throw new Error(`${file} holds the regime ${value.name}`)
    return [value.name, value]
  }),
)
