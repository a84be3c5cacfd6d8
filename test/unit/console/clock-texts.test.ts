import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readRegimeText } from '../../../clocks/read-regime.ts'
import { packageRoot } from '../../../server/assets.ts'
import { clockTextsEn } from '../../../server/console/web/src/i18n/clock-texts-en.ts'

t.test('the console has words for all that the shipped service levels and DORA say', (t) => {
  const known = new Set<string>(Object.values(clockTextsEn))
  const said = ['sla', 'dora'].flatMap((name) => {
    const file = join(packageRoot, 'clocks', 'regimes', `${name}.yaml`)
    const { value: regime } = readRegimeText(readFileSync(file, 'utf8'))
    if (regime === undefined) throw new Error(`${name} cannot be read`)
    const titles = regime.clocks.map(({ title }) => title.replace(/ sev[1-4]$/, ''))
    const reasons = regime.clocks.flatMap(({ pause }) => pause?.reasons ?? [])
    return [regime.title, regime.caution, ...titles, ...reasons]
  })
  t.same(
    said.filter((text) => !known.has(text)),
    [],
    'each is known, word for word',
  )
  t.same(
    [...known].filter((text) => !said.includes(text)),
    [],
    'and no word is of something else',
  )
  t.end()
})
