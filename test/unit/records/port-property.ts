// Run as a child by sqlite-port.test.ts, because an engine that dislikes a value may abort the process.
import assert from 'node:assert/strict'
import { RecordsError } from '../../../server/records/records-error.ts'
import type { SqliteEngine } from '../../../server/records/sqlite-engines.ts'
import { openSqlite } from '../../../server/records/sqlite-port.ts'
import fc from '../../helpers/property.ts'

const [engine, seed] = process.argv.slice(2)
const connection = openSqlite(':memory:', { engine: engine as SqliteEngine })

const strange: unknown[] = [
  undefined,
  new Date(0),
  new Date(Number.NaN),
  () => 1,
  Symbol('s'),
  /a/,
  new String('boxed'),
  new Number(1),
  new Boolean(true),
  Object(1n),
  new Proxy({}, {}),
  new Proxy(new Uint8Array(2), {}),
  new ArrayBuffer(2),
  new DataView(new ArrayBuffer(2)),
  new Uint16Array([1, 2]),
  new Float64Array(1),
  new SharedArrayBuffer(2),
  Promise.resolve(1),
  new WeakMap(),
  Object.create(null),
  { toString: () => 'x' },
  { valueOf: () => 1 },
  [1],
  [[1]],
  [],
  new Error('e'),
  globalThis,
  JSON,
  Buffer,
]
const fine: unknown[] = [
  null,
  true,
  false,
  0,
  -0,
  1,
  2 ** 53 - 1,
  -(2 ** 53 - 1),
  2 ** 53,
  2 ** 63,
  2 ** 64,
  1e300,
  5e-324,
  0.1,
  Number.MAX_VALUE,
  Number.NaN,
  Infinity,
  -Infinity,
  0n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  -(2n ** 63n),
  -(2n ** 63n) - 1n,
  2n ** 200n,
  '',
  'a\0b',
  '\0',
  '\ud800',
  'a\udc00b',
  '😀',
  'x'.repeat(100_000),
  Buffer.alloc(0),
  Buffer.from('ab'),
  new Uint8Array([1, 2, 3, 4]).subarray(1, 3),
  new Uint8Array(new SharedArrayBuffer(3)),
]

const value = fc.oneof(
  fc.constantFrom(...strange),
  fc.constantFrom(...fine),
  fc.anything({
    withBigInt: true,
    withBoxedValues: true,
    withDate: true,
    withMap: true,
    withNullPrototype: true,
    withObjectString: true,
    withSet: true,
    withSparseArray: true,
    withTypedArray: true,
    withUnicodeString: true,
  }),
  fc.string({ unit: 'binary' }),
  fc.bigInt(),
  fc.double(),
  fc.uint8Array(),
)

/** What must come back, or that it must be refused before the engine, or that reading it must throw. */
function expected(
  given: unknown,
): { kind: 'value'; value: unknown } | { kind: 'refused' } | { kind: 'unsafe' } {
  if (given === null) return { kind: 'value', value: null }
  if (typeof given === 'boolean') return { kind: 'value', value: Number(given) }
  if (typeof given === 'number') {
    return Number.isFinite(given) ? { kind: 'value', value: given + 0 } : { kind: 'refused' }
  }
  if (typeof given === 'bigint') {
    if (given !== BigInt.asIntN(64, given)) return { kind: 'refused' }
    const number = Number(given)
    return Number.isSafeInteger(number) ? { kind: 'value', value: number } : { kind: 'unsafe' }
  }
  if (typeof given === 'string') {
    const lone = Buffer.from(given, 'utf8').toString('utf8') !== given
    return given.includes('\0') || lone ? { kind: 'refused' } : { kind: 'value', value: given }
  }
  if (
    Object.prototype.toString.call(given) === '[object Uint8Array]' &&
    ArrayBuffer.isView(given)
  ) {
    return { kind: 'value', value: new Uint8Array(given as Uint8Array) }
  }
  return { kind: 'refused' }
}

let refused = 0
let returned = 0
const marks = fc.integer({ min: 0, max: 3 })
fc.assert(
  fc.property(fc.array(value, { maxLength: 3 }), marks, (parameters, count) => {
    const columns = ['0 as none', ...Array.from({ length: count }, (_, index) => `? as c${index}`)]
    const sql = `select ${columns.join(', ')}`
    const outcomes = parameters.map(expected)
    const call = () => connection.all(sql, parameters)
    if (count !== parameters.length || outcomes.some(({ kind }) => kind === 'refused')) {
      assert.throws(call, TypeError)
      assert.throws(() => connection.run(sql, parameters), TypeError)
      refused += 1
      return
    }
    if (outcomes.some(({ kind }) => kind === 'unsafe')) {
      assert.throws(
        call,
        (error) => error instanceof RecordsError && /beyond 2\^53/.test(error.message),
      )
      return
    }
    const values = outcomes.map((outcome) => (outcome.kind === 'value' ? outcome.value : undefined))
    assert.deepStrictEqual(Object.values(call()[0] ?? {}), [0, ...values])
    connection.run(sql, parameters)
    returned += 1
  }),
  { numRuns: 4000, seed: Number(seed) },
)
connection.close()
console.log(JSON.stringify({ refused, returned }))
