import t from 'tap'
import { sortInTurns } from '../../../server/sort-in-turns.ts'
import fc from '../../helpers/property.ts'

t.test('texts are sorted as JavaScript sorts them, with turns in between', async (t) => {
  const text = fc.string({ unit: 'binary', maxLength: 3 })
  const counts = fc.constantFrom(0, 1, 2000, 2001, 4000, 6001, 9999)
  await fc.assert(
    fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 40 }), counts, async (some, n) => {
      const texts = Array.from({ length: n }, (_, i) => some[(i * 7919) % some.length]! + (i % 13))
      let turns = 0
      const always = {
        due: true,
        take: async () => {
          turns++
        },
      }
      const sorted = await sortInTurns([...texts], always)
      const isShort = n <= 2000
      return sorted.join('\n') === [...texts].sort().join('\n') && (turns === 0) === isShort
    }),
    { numRuns: 25 },
  )
  t.pass('25 random lists')
})
