import fc from 'fast-check'

/**
 * fast-check for every property of the tests. The seed is fixed, so that a change is judged by the same inputs as the
 * one before it; `CALLWARD_SEED=random npm test` looks for new ones, and a number repeats such a search. What a search
 * finds stays as an `examples` entry of its property.
 */
const asked = process.env['CALLWARD_SEED'] ?? '20260101'
if (asked !== 'random') {
  const seed = Number(asked)
  if (!Number.isInteger(seed))
    throw new Error(`CALLWARD_SEED is "${asked}": give a whole number or "random"`)
  fc.configureGlobal({ ...fc.readConfigureGlobal(), seed })
}

export default fc
