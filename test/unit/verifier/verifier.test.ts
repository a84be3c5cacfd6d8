import { execFileSync, spawnSync } from 'node:child_process'
import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import canonicalize from 'canonicalize'
import t from 'tap'
import { packageRoot } from '../../../server/assets.ts'
import { publishedStates } from '../../../server/ledger/bundle-states.ts'
import { rawPublicKey, signCheckpoint } from '../../../server/ledger/checkpoint.ts'
import { ZipWriter } from '../../../server/ledger/zip-writer.ts'
import { base64, fromBase64, hex } from '../../../verifier/bytes.ts'
import { canonical, readCanonical } from '../../../verifier/canonical.ts'
import { judge, readCheckpoint, readVerifierKey } from '../../../verifier/note.ts'
import { sha256 } from '../../../verifier/sha256.ts'
import { incidentTransitions } from '../../../verifier/states.ts'
import { isConsistent, rootOfInclusion, rootOfRange } from '../../../verifier/tree.ts'
import { Unreadable, verifyBundle } from '../../../verifier/verify.ts'
import { words } from '../../../verifier/words.ts'
import { readZip } from '../../../verifier/zip.ts'
import { folderOf } from '../../helpers/folder.ts'
import fc from '../../helpers/property.ts'
import {
  entry,
  key,
  members,
  membersOf,
  now,
  origin,
  rangeProof,
  rootOf,
  trust,
  zip,
} from './bundle-kit.ts'

interface Case {
  readonly root: string
  readonly proof: readonly string[] | null
  readonly wantErr: boolean
  readonly name: string
}

t.test('SHA-256, base64 and canonical JSON are those of others', async (t) => {
  for (const length of [0, 1, 55, 56, 63, 64, 65, 119, 120, 5000, 70_000]) {
    const bytes = Buffer.alloc(length, length)
    t.equal(hex(sha256(bytes)), createHash('sha256').update(bytes).digest('hex'), `${length}`)
  }
  const bytes = fc.uint8Array({ maxLength: 300 })
  fc.assert(
    fc.property(bytes, bytes, (a, b) => {
      const wanted = createHash('sha256').update(a).update(b).digest('hex')
      return hex(sha256(a, b)) === wanted && base64(a) === Buffer.from(a).toString('base64')
    }),
  )
  // Halves of characters among them, which stand for nothing.
  const units = fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 300 })
  fc.assert(
    fc.property(fc.string({ maxLength: 9000 }), units, bytes, (plain, codes, salt) => {
      const text = `${plain}${String.fromCharCode(...codes)}`
      const wanted = createHash('sha256').update(salt).update(text, 'utf8').digest('hex')
      return hex(sha256(salt, text)) === wanted
    }),
  )
  fc.assert(
    fc.property(fc.string({ maxLength: 12 }), (text) => {
      const found = fromBase64(text)
      const wanted = Buffer.from(text, 'base64')
      const isOne = text !== '' && wanted.toString('base64') === text
      return isOne ? found !== undefined && wanted.equals(found) : found === undefined
    }),
  )
  fc.assert(fc.property(fc.jsonValue(), (value) => canonical(value) === canonicalize(value)))
  for (const text of [
    '{"b":1,"a":2}',
    '{"a":1,"a":1}',
    '{"a": 1}',
    '1.0',
    `${'['.repeat(9000)}`,
    '',
  ])
    t.equal(readCanonical(text), undefined, text.slice(0, 20))
  t.equal(readCanonical(`${'['.repeat(70)}${']'.repeat(70)}`), undefined, 'too deep')
})

t.test('proofs: published vectors, and every range of random trees', async (t) => {
  const path = join(packageRoot, 'test/fixtures/ledger/merkle-proofs.json')
  const { inclusion, consistency } = JSON.parse(readFileSync(path, 'utf8')) as {
    inclusion: (Case & { leafIdx: number; treeSize: number; leafHash: string })[]
    consistency: (Case & { size1: number; size2: number; root1: string; root2: string })[]
  }
  const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'base64'))
  for (const one of inclusion) {
    const proof = (one.proof ?? []).map(bytes)
    const root = rootOfInclusion(one.leafIdx, one.treeSize, bytes(one.leafHash), proof)
    const agrees = root?.length === 32 && base64(root) === one.root
    t.equal(agrees, !one.wantErr, one.name)
  }
  for (const one of consistency) {
    const [older, newer] = [
      { size: one.size1, root: bytes(one.root1) },
      { size: one.size2, root: bytes(one.root2) },
    ]
    // An empty tree is an earlier state of every one, which proves nothing: no proof of ours.
    if (one.size1 === 0) continue
    t.equal(isConsistent(older, newer, (one.proof ?? []).map(bytes)), !one.wantErr, one.name)
  }
  t.ok(inclusion.length > 50 && consistency.length > 50)
  fc.assert(
    fc.property(fc.nat(60), fc.nat(60), fc.nat(20), fc.nat(), (before, count, after, at) => {
      const leaves = Array.from({ length: before + count + 1 + after }, (_, i) => leafOf(i))
      const range = { begin: before, end: before + count + 1 }
      const some = leaves.slice(range.begin, range.end)
      const proof = rangeProof(leaves, range)
      const root = base64(rootOf(leaves, { begin: 0, end: leaves.length }))
      const found = rootOfRange(before, some, leaves.length, proof)
      const changed = some.map((leaf, i) => (i === at % some.length ? leafOf(9999) : leaf))
      const other = rootOfRange(before, changed, leaves.length, proof)
      return (
        found !== undefined &&
        base64(found) === root &&
        other !== undefined &&
        base64(other) !== root &&
        rootOfRange(before, some, leaves.length, [...proof, leafOf(1)]) === undefined &&
        (proof.length === 0 ||
          rootOfRange(before, some, leaves.length, proof.slice(1)) === undefined)
      )
    }),
  )
})

const leafOf = (index: number) => createHash('sha256').update(String(index)).digest()

t.test('signatures: the hub’s, a witness’s, and false ones', async (t) => {
  const { privateKey } = generateKeyPairSync('ed25519')
  const { privateKey: other } = generateKeyPairSync('ed25519')
  const note = signCheckpoint({ origin, size: 7, root: leafOf(7) }, privateKey)
  const keyOf = (name: string, type: number, secret: typeof privateKey) => {
    const bytes = Buffer.concat([Buffer.of(type), rawPublicKey(secret)])
    const id = createHash('sha256').update(`${name}\n`).update(bytes).digest('hex').slice(0, 8)
    return `${name}+${id}+${bytes.toString('base64')}`
  }
  const mine = readVerifierKey(keyOf(origin, 1, privateKey))!
  const head = readCheckpoint(note)!
  t.same(await judge(head, mine), { kind: 'good' })
  t.same(await judge(head, readVerifierKey(keyOf(origin, 1, other))!), { kind: 'absent' })
  const changed = { ...head, text: head.text.replace('\n7\n', '\n8\n') }
  t.same(await judge(changed, mine), { kind: 'bad' })

  const witness = readVerifierKey(keyOf('witness.example/mai', 4, other))!
  const seconds = 1_780_000_000
  const stamp = Buffer.alloc(8)
  stamp.writeBigUInt64BE(BigInt(seconds))
  const message = `cosignature/v1\ntime ${seconds}\n${head.text}`
  const signature = Buffer.concat([
    ...[Buffer.from(witness.id, 'hex'), stamp, sign(null, Buffer.from(message), other)],
  ])
  const cosigned = readCheckpoint(`${note}— ${witness.name} ${signature.toString('base64')}\n`)!
  t.same(await judge(cosigned, witness), { kind: 'good', at: seconds * 1000 })
  t.same(await judge(head, witness), { kind: 'absent' })
  signature[11]! ^= 1
  const earlier = readCheckpoint(`${note}— ${witness.name} ${signature.toString('base64')}\n`)!
  t.same(await judge(earlier, witness), { kind: 'bad' }, 'another time was signed')
  for (const text of [
    '',
    'x',
    'a+00000000+AAAA',
    keyOf(origin, 1, privateKey).replace(/\+./, '+g'),
    keyOf(origin, 2, privateKey),
  ])
    t.equal(readVerifierKey(text), undefined, text)
  for (const text of [
    '',
    'x\n',
    note.replace('\n7\n', '\n07\n'),
    note.slice(0, -1),
    `${note}x\n`,
    note.replace('— ', '- '),
  ])
    t.equal(readCheckpoint(text), undefined, text.slice(0, 40))
})

t.test('the zip: read by others, and nothing but the hub’s own form is read', async (t) => {
  const folder = folderOf(t)
  const path = join(folder, 'bundle.zip')
  writeFileSync(path, zip(members()))
  const listing =
    'import sys,zipfile;z=zipfile.ZipFile(sys.argv[1]);assert z.testzip() is None;print("\\n".join(z.namelist()))'
  if (existsSync('/usr/bin/python3'))
    t.equal(
      execFileSync('python3', ['-c', listing, path], { encoding: 'utf8' }).trim(),
      [...members().keys()].join('\n'),
    )
  if (existsSync('/usr/bin/unzip')) t.equal(spawnSync('unzip', ['-tq', path]).status, 0, 'unzip -t')

  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 9 }), (contents) => {
      const writer = new ZipWriter()
      const parts = contents.flatMap((one, i) => writer.add(`m/${i}.bin`, Buffer.from(one)))
      const read = readZip(new Uint8Array(Buffer.concat([...parts, ...writer.end()])))
      return (
        contents.every((one, i) => Buffer.from(one).equals(read.get(`m/${i}.bin`)!)) &&
        read.size === contents.length
      )
    }),
  )
  const named = (...names: string[]) => zip(new Map(names.map((name, i) => [`${name}`, `${i}`])))
  const twice = new ZipWriter()
  const double = [
    ...twice.add('a', Buffer.from('1')),
    ...twice.add('a', Buffer.from('2')),
    ...twice.end(),
  ]
  const hostile: Readonly<Record<string, Uint8Array>> = {
    nothing: new Uint8Array(),
    'no zip': new Uint8Array(Buffer.from('x'.repeat(100))),
    'a name above': named('../etc/passwd'),
    'an absolute name': named('/etc/passwd'),
    'a drive': named('c:x'),
    'a back slash': named('a\\b'),
    'a long name': named('a'.repeat(200)),
    'a name twice': new Uint8Array(Buffer.concat(double)),
    'bytes after the end': new Uint8Array([...zip(members()), 0]),
    'bytes before the start': new Uint8Array([0, ...zip(members())]),
  }
  for (const [name, file] of Object.entries(hostile)) t.equal(outcome(file), 'refused', name)
  if (existsSync('/usr/bin/python3')) {
    const bomb = join(folder, 'bomb.zip')
    const make =
      'import sys,zipfile;z=zipfile.ZipFile(sys.argv[1],"w",zipfile.ZIP_DEFLATED);z.writestr("manifest.json",b"0"*50_000_000)'
    execFileSync('python3', ['-c', make, bomb])
    t.throws(
      () => readZip(new Uint8Array(readFileSync(bomb))),
      /compressed/,
      'a zip bomb is not unpacked',
    )
  }
  const whole = zip(members())
  const wanted = JSON.stringify([...readZip(whole)].map(([name, bytes]) => [name, hex(bytes)]))
  for (let at = 0; at < whole.length; at++) {
    t.equal(outcome(whole.subarray(0, at)), 'refused')
    const flipped = Uint8Array.from(whole)
    flipped[at]! ^= 1 << (at % 8)
    const said = outcome(flipped)
    if (said !== 'refused') t.equal(said, wanted, `byte ${at} says something else`)
  }
})

function outcome(file: Uint8Array): string {
  try {
    return JSON.stringify([...readZip(file)].map(([name, bytes]) => [name, hex(bytes)]))
  } catch (error) {
    if (error instanceof Unreadable) return 'refused'
    throw error
  }
}

t.test('a sound bundle is verified; each lie about the log is named', async (t) => {
  const sound = await verifyBundle(zip(members()), trust)
  t.equal(
    sound.verdict,
    'verified',
    JSON.stringify(sound.checks.filter(({ state }) => state === 'failed')),
  )
  const states = Object.fromEntries(sound.checks.map(({ id, state }) => [id, state]))
  t.match(states, {
    form: 'passed',
    inclusion: 'passed',
    signatures: 'passed',
    order: 'passed',
    reads: 'passed',
  })
  t.match(states, { deadlines: 'not checked', notices: 'not checked', consistency: 'not checked' })

  const opened = entry('ledger.opened', { type: 'ledger', id: origin }, { previous: null }, now)
  const made = entry('ledger.bundle', { type: 'bundle', id: 'b' }, {}, now + 1000)
  const lies: Readonly<Record<string, [RegExp, Map<string, string>]>> = {
    'no key_pinned name': [
      /the given key of/,
      replaced('checkpoint.txt', origin, 'callward.ledger/other'),
    ],
    'another content': [/entry 1 .*changed/, replaced('entries/000000.jsonl', 'period', 'perioe')],
    'entry left out': [/entry 0 is missing/, firstLineGone()],
    'not canonical': [
      /entry 1 is not in its canonical form/,
      replaced('entries/000000.jsonl', '\\"v\\":1}"', '\\"v\\":1 }"', 1),
    ],
    'times backwards': [
      /before the one before it/,
      membersOf([
        entry('ledger.opened', { type: 'ledger', id: origin }, { previous: null }, now),
        entry('ledger.bundle', { type: 'bundle', id: 'b' }, {}, now - 3_600_000),
      ]),
    ],
    future: [/recorded before it happened/, membersOf([opened, { ...made, ...futureEntry() }])],
    'no beginning': [/log was opened/, membersOf([made, made])],
    'no reading': [/this bundle was made/, membersOf([opened, opened])],
    'the hub gave up': [
      /signs no checkpoint/,
      replaced('manifest.json', '"inconsistency":null', '"inconsistency":"tree"'),
    ],
    'other states': [/table of states/, replaced('states.json', 'relapse', 'relaps')],
  }
  for (const [name, [wanted, lie]] of Object.entries(lies)) {
    const { checks, verdict } = await verifyBundle(zip(lie), trust)
    const faults = checks.flatMap((check) => check.faults)
    t.equal(verdict, 'failed', name)
    t.ok(
      faults.some((fault) => wanted.test(fault)),
      `${name}: ${JSON.stringify(faults)}`,
    )
  }
  const alone = await verifyBundle(zip(members()), {})
  t.equal(alone.verdict, 'incomplete', 'nobody vouches for it')
  t.equal(
    alone.checks.find(({ id }) => id === 'signatures')?.state,
    'not checked',
    'no key, no signature',
  )
  t.same(key.name, origin)
})

/** It says that it happened an hour after it was recorded. */
function futureEntry() {
  const sealed = entry('ledger.bundle', { type: 'bundle', id: 'b' }, {}, now + 1000)
  const text = sealed.entry.replace(
    /"occurredAt":"[^"]+"/,
    `"occurredAt":"${new Date(now + 7_200_000).toISOString()}"`,
  )
  const leaf = createHash('sha256')
    .update(Buffer.concat([Buffer.of(0), Buffer.from(text)]))
    .digest('base64')
  return { entry: text, leaf }
}

function replaced(name: string, from: string, to: string, nth = 0): Map<string, string> {
  const all = members()
  const parts = all.get(name)!.split(from)
  if (parts.length < nth + 2) throw new Error(`${name} has no ${from}`)
  return all.set(name, parts.slice(0, nth + 1).join(from) + to + parts.slice(nth + 1).join(from))
}

function firstLineGone(): Map<string, string> {
  const all = members()
  return all.set('entries/000000.jsonl', `${all.get('entries/000000.jsonl')!.split('\n')[1]}\n`)
}

t.test('whatever a bundle says, the answer is a report or a refusal', async () => {
  const odd = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom<unknown>(-1, 1.5, 2 ** 53, 1e308, '', '\u202e', null, [], {}, '__proto__'),
  )
  await fc.assert(
    fc.asyncProperty(fc.nat(), fc.nat(), odd, async (which, where, value) => {
      const all = members()
      const names = [...all.keys()].filter((name) => name.endsWith('.json') || name.endsWith('l'))
      const name = names[which % names.length]!
      const lines = all.get(name)!.split('\n').filter(Boolean)
      const line = where % lines.length
      lines[line] = JSON.stringify(mutated(JSON.parse(lines[line]!), where, value))
      all.set(name, name.endsWith('l') ? lines.map((one) => `${one}\n`).join('') : lines[0]!)
      all.set('rows/incidents/000000.jsonl', `${JSON.stringify({ id: value, number: value })}\n`)
      all.set('rows/pages/000000.jsonl', `${JSON.stringify({ id: value, policy: value })}\n`)
      all.set('disclosures/000000.jsonl', `${JSON.stringify({ index: 1, opening: { value } })}\n`)
      try {
        const { verdict } = await verifyBundle(zip(all), trust)
        return verdict === 'failed'
      } catch (error) {
        if (error instanceof Unreadable) return true
        throw error
      }
    }),
    { numRuns: 400 },
  )
})

/** One value somewhere in it is another. */
function mutated(value: unknown, where: number, by: unknown): unknown {
  if (typeof value !== 'object' || value === null) return by
  const keys = Object.keys(value)
  if (keys.length === 0) return by
  const name = keys[where % keys.length]!
  const inside = (value as Record<string, unknown>)[name]
  const changed = mutated(inside, Math.floor(where / keys.length), by)
  return Array.isArray(value)
    ? value.map((one, i) => (String(i) === name ? changed : one))
    : { ...value, [name]: changed }
}

t.test('hub and verifier publish the same states; every language says everything', async (t) => {
  t.same(publishedStates, incidentTransitions)
  const names = (value: object): string[] =>
    Object.entries(value).flatMap(([name, inside]) =>
      typeof inside === 'object' ? names(inside).map((one) => `${name}.${one}`) : [name],
    )
  for (const [language, texts] of Object.entries(words)) {
    t.same(names(texts), names(words.en), language)
    t.notMatch(JSON.stringify(texts), /:""/, `${language} leaves nothing empty`)
  }
})
