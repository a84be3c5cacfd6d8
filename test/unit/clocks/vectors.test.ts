import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { evaluate, settingsFault } from '../../../clocks/evaluate.ts'
import { instantOf, readCase } from '../../../clocks/read-case.ts'
import { packageRoot } from '../../../server/assets.ts'
import { regimes } from './shipped.ts'

interface Vector {
  readonly name: string
  readonly regime?: string
  readonly article: string
  readonly now: string
  readonly institution?: unknown
  readonly attributes?: unknown
  readonly facts: unknown
  readonly expect: Readonly<Record<string, Expected>>
}

interface Expected {
  readonly state: string
  readonly deadline: string | null
  readonly previous?: readonly string[]
  readonly missing?: readonly string[]
}

const folder = join(packageRoot, 'clocks', 'vectors')
const asked = new Set<string>()
let vectors = 0

for (const file of readdirSync(folder).sort()) {
  t.test(`the vectors of ${file}`, async (t) => {
    const content = parse(readFileSync(join(folder, file), 'utf8')) as {
      readonly regime?: string
      readonly vectors: readonly Vector[]
    }
    t.ok(content.vectors.length > 0)
    for (const vector of content.vectors) {
      vectors++
      const regime = regimes.get(vector.regime ?? content.regime ?? '')!
      const now = instantOf(vector.now)!
      const { institution = {}, attributes = {}, facts } = vector
      const { value, faults } = readCase({ institution, attributes, facts }, now)
      t.same(faults, [], vector.name)
      t.equal(settingsFault(value!.institution, regime), undefined, vector.name)
      t.ok(vector.article, `${vector.name} cites`)
      const results = evaluate(value!, regime, now)
      for (const [code, expected] of Object.entries(vector.expect)) {
        asked.add(`${regime.name} ${code}`)
        const result = results.find(({ rule }) => rule.code === code)!
        const say = `${vector.name}: ${code}`
        t.equal(result.state, expected.state, `${say}\n${JSON.stringify(result.steps, null, 1)}`)
        const due = expected.deadline === null ? undefined : instantOf(expected.deadline)
        t.equal(iso(result.deadline), iso(due), say)
        if (expected.previous !== undefined)
          t.same(
            result.previous.map(({ deadline }) => iso(deadline)),
            expected.previous.map((at) => iso(instantOf(at))),
            say,
          )
        if (expected.missing !== undefined) t.same(result.missing, expected.missing, say)
        t.equal(result.steps.at(-1)?.kind, 'result', `${say} ends its explanation`)
      }
    }
  })
}

t.test('every regime that ships has vectors, and DORA one for each time limit', async (t) => {
  t.ok(vectors >= 45, `${vectors} vectors`)
  for (const name of regimes.keys())
    t.ok(
      [...asked].some((one) => one.startsWith(`${name} `)),
      `${name} has vectors`,
    )
  for (const { code, deadline } of regimes.get('dora')!.clocks)
    if (deadline !== undefined) t.ok(asked.has(`dora ${code}`), `dora ${code} has a vector`)
})

function iso(at: number | undefined): string | undefined {
  return at === undefined ? undefined : new Date(at).toISOString()
}
