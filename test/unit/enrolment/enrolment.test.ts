import { mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import t from 'tap'
import {
  bindingOf as bindingSeen,
  type Channel,
  isLocal,
} from '../../../collector/enrolment/channel.ts'
import { readEnrolment, writeEnrolment } from '../../../collector/enrolment/files.ts'
import { HubNotProven, sessionKey } from '../../../collector/enrolment/handshake.ts'
import { newKeyPair, privateKeyText, toBase64url } from '../../../collector/enrolment/keys.ts'
import { machineFacts, machineFingerprint } from '../../../collector/enrolment/machine.ts'
import { SessionCountFile, sessionCountPath } from '../../../collector/enrolment/session-count.ts'
import {
  type Challenge,
  collectorTranscript,
  hubTranscript,
  type Proof,
} from '../../../collector/wire/handshake.ts'
import { packageRoot } from '../../../server/assets.ts'
import {
  type Claim,
  compareMachine,
  judge,
  type Standing,
  tokenState,
} from '../../../server/enrolment/enrolment.ts'
import type { Enrolment } from '../../../server/enrolment/enrolment-store.ts'
import { HalfOpen } from '../../../server/enrolment/half-open.ts'
import { openHubKey } from '../../../server/enrolment/keys.ts'
import { ChallengedConnection, knockOf } from '../../../server/enrolment/knock.ts'
import { transportOf } from '../../../server/enrolment/transport.ts'
import { folderOf } from '../../helpers/folder.ts'
import fc from '../../helpers/property.ts'

t.test('machines: which differences make another one', async (t) => {
  const check = (known: object, shown: object, kind: string, facts: string[] = []) => {
    const found = compareMachine(known as Record<string, string>, shown as Record<string, string>)
    t.strictSame(found, { kind, facts }, JSON.stringify([known, shown]))
  }
  const whole = { 'machine-id': 'a', 'product-uuid': 'u', product: 'p', 'first-boot': '1' }
  check(whole, whole, 'same')
  check(whole, { ...whole, 'machine-id': 'b' }, 'other', ['machine-id'])
  check(whole, { ...whole, 'product-uuid': 'v' }, 'other', ['product-uuid'])
  check(whole, { ...whole, product: 'q', 'first-boot': '2' }, 'changed', ['product', 'first-boot'])
  // Not root any more: what cannot be read says nothing.
  check(whole, { 'machine-id': 'a' }, 'same')
  check(whole, { product: 'p' }, 'other', ['machine-id', 'product-uuid'])
  check(whole, {}, 'other', ['machine-id', 'product-uuid'])
  check({}, whole, 'same')
  check({}, {}, 'same')
})

const claim: Claim = {
  instance: 'pbx-1',
  collector: 'c',
  counter: 7,
  linkKnown: true,
  machine: { 'machine-id': 'a' },
}
const standing: Standing = {
  instance: 'pbx-1',
  state: 'active',
  counter: 7,
  resync: false,
  machine: { 'machine-id': 'a' },
  collectorTaken: false,
}

t.test('verdicts: every case has its answer', async (t) => {
  const check = (
    changedClaim: Partial<Claim>,
    changedStanding: Partial<Standing>,
    expected: number | string,
  ) => {
    const verdict = judge({ ...claim, ...changedClaim }, { ...standing, ...changedStanding })
    const found = verdict.kind === 'admitted' ? verdict.counter : verdict.reason
    t.equal(found, expected, JSON.stringify([changedClaim, changedStanding]))
    if (verdict.kind === 'refused') t.match(verdict.message, /\w.{20,}/, 'says why')
  }
  check({}, {}, 8)
  check({ counter: 0 }, { counter: 0 }, 1)
  check({ linkKnown: false }, {}, 'cloned')
  check({ counter: 6, linkKnown: false }, {}, 'cloned')
  check({ counter: 8, linkKnown: false }, {}, 'hub_behind')
  // A copy that claims a higher count does not get in by it.
  check({ counter: 2 ** 40, linkKnown: true }, {}, 'hub_behind')
  check({ counter: 12, linkKnown: false }, { resync: true }, 13)
  check({ counter: 3, linkKnown: false }, { resync: true }, 8)
  check({ machine: { 'machine-id': 'b' } }, { resync: true }, 'other_machine')
  check({ machine: {} }, {}, 'other_machine')
  check({ instance: 'pbx-2' }, {}, 'wrong_host')
  check({}, { collectorTaken: true }, 'wrong_collector')
  check({}, { state: 'revoked' }, 'revoked')
  check({}, { state: 'replaced' }, 'replaced')
  check({ instance: 'pbx-2', linkKnown: false }, { state: 'revoked' }, 'revoked')
})

t.test('one-time tokens', async (t) => {
  t.equal(tokenState({ usedAt: null, expiresAt: 10 }, 9), 'waiting')
  t.equal(tokenState({ usedAt: null, expiresAt: 10 }, 10), 'expired')
  t.equal(tokenState({ usedAt: 5, expiresAt: 10 }, 6), 'used')
  t.equal(tokenState({ usedAt: 5, expiresAt: 10 }, 60), 'used')
})

t.test('half-open connections: a share for each address, a limit for all', async (t) => {
  const places = new HalfOpen(3, 2)
  const first = places.enter('a')
  t.ok(first)
  t.ok(places.enter('a'))
  t.equal(places.enter('a'), undefined, 'its share')
  t.ok(places.enter('b'))
  t.equal(places.enter('c'), undefined, 'all are taken')
  first?.()
  first?.()
  t.equal(places.open, 2, 'given back once')
  t.ok(places.enter('c'))
})

t.test('the Authorization header of an enrolled collector', async (t) => {
  const id = '0d3f1f0e-9a43-4c9e-8f0a-3f1f0e9a434c'
  const nonce = 'A'.repeat(43)
  t.match(knockOf(`Callward-Enrolment ${id} ${nonce}`), { enrolment: id })
  t.match(knockOf(`callward-enrolment  ${id}  ${nonce}`), { enrolment: id })
  t.equal(knockOf(undefined), undefined)
  t.equal(knockOf('Bearer cwt_x'), undefined)
  for (const rest of ['', id, `${id} short`, `x ${nonce}`, `${id} ${nonce} more`])
    t.equal(knockOf(`Callward-Enrolment ${rest}`), 'malformed', rest)
})

t.test('what carries a request', async (t) => {
  const of = (remoteAddress: string, localAddress: string, proxy = false) =>
    transportOf({ socket: { remoteAddress, localAddress } } as unknown as IncomingMessage, proxy)
      .kind
  t.equal(of('127.0.0.1', '127.0.0.1'), 'local')
  t.equal(of('::ffff:127.0.0.1', '::ffff:127.0.0.1'), 'local')
  t.equal(of('::1', '::1'), 'local')
  t.equal(of('10.0.0.5', '10.0.0.5'), 'local', 'a machine to itself')
  t.equal(of('10.0.0.6', '10.0.0.5'), 'open')
  t.equal(of('127.0.0.1.evil', '10.0.0.5'), 'open')
  t.equal(of('10.0.0.6', '10.0.0.5', true), 'tls-proxy')
  const channel: Channel = { tls: true, local: false, distrust: undefined, exporter: undefined }
  const bytes = new Uint8Array(32)
  const none = new Uint8Array(0)
  t.strictSame(bindingSeen('tls-exporter', { ...channel, exporter: bytes }), bytes)
  t.match(bindingSeen('tls-exporter', channel), /TLS 1\.3/)
  t.match(bindingSeen('tls-exporter', { ...channel, tls: false, local: true }), /plain/)
  t.strictSame(bindingSeen('tls-proxy', channel), none)
  t.match(bindingSeen('tls-proxy', { ...channel, distrust: 'SELF_SIGNED' }), /SELF_SIGNED/)
  t.match(bindingSeen('tls-proxy', { ...channel, tls: false }), /without TLS/)
  t.match(bindingSeen('local', channel), /own machine/)
  t.match(bindingSeen('local', { ...channel, tls: false }), /own machine/)
  t.strictSame(bindingSeen('local', { ...channel, tls: false, local: true }), none)
  t.notOk(isLocal(undefined, undefined))
})

t.test('a machine’s facts: read where they are, hashed under the salt', async (t) => {
  const root = folderOf(t, {
    etc: { 'machine-id': '9f86d081884c7d659a2feaa0c55ad015\n' },
    sys: { class: { dmi: { id: { product_name: 'KVM\n', sys_vendor: 'QEMU\n' } } } },
  })
  const facts = machineFacts({ rootfs: root, sys: join(root, 'sys') })
  t.match(facts, { 'machine-id': '9f86d081884c7d659a2feaa0c55ad015', product: 'QEMU KVM' })
  t.notOk('product-uuid' in facts)
  const [one, other] = [1, 2].map((salt) => machineFingerprint(facts, Buffer.alloc(32, salt)))
  t.same(Object.keys(one!), Object.keys(facts))
  for (const [name, hash] of Object.entries(one!)) {
    t.match(hash, /^[A-Za-z0-9_-]{22}$/)
    t.not(hash, other![name], 'another salt, another hash')
  }
  t.same(machineFacts({ rootfs: '/nonexistent', sys: '/nonexistent' }), {})
  writeFileSync(join(root, 'etc/machine-id'), 'uninitialized\n')
  t.notOk('machine-id' in machineFacts({ rootfs: root, sys: '/nonexistent' }))
})

const zeroLink = 'A'.repeat(43)

t.test('the count of sessions survives a torn write and tells what is not its own', async (t) => {
  const folder = folderOf(t)
  const link = (counter: number) => ({ counter, link: zeroLink })
  const file = SessionCountFile.create(folder, { enrolment: 'e', current: link(0), tried: [] })
  for (let n = 1; n <= 5; n++) file.save({ enrolment: 'e', current: link(n), tried: [link(n + 1)] })
  t.equal(statSync(sessionCountPath(folder)).size, 4096, 'it never grows')
  t.equal(statSync(sessionCountPath(folder)).mode & 0o777, 0o600)
  t.equal(SessionCountFile.open(folder, 'e').count.current.counter, 5)
  const bytes = readFileSync(sessionCountPath(folder))
  for (let slot = 0; slot < 2; slot++) {
    const torn = Buffer.from(bytes)
    torn[slot * 2048 + 100]! ^= 1
    writeFileSync(sessionCountPath(folder), torn)
    const { counter } = SessionCountFile.open(folder, 'e').count.current
    t.ok(counter === 4 || counter === 5, `one slot torn: ${counter}`)
  }
  t.throws(() => SessionCountFile.open(folder, 'other'), /another enrolment/)
  truncateSync(sessionCountPath(folder), 10)
  t.throws(() => SessionCountFile.open(folder, 'e'), /damaged.*callward enrol/)
  t.throws(() => SessionCountFile.open(join(folder, 'none'), 'e'), /cannot be read/)
})

t.test('the hub’s key: made once, for its user only', async (t) => {
  const path = join(folderOf(t), 'identity.key')
  const first = openHubKey(path)
  t.equal(first.isNew, true)
  t.equal(statSync(path).mode & 0o777, 0o600)
  t.match(openHubKey(path), { isNew: false, key: { fingerprint: first.key.fingerprint } })
  t.match(first.key.fingerprint, /^SHA256:[A-Za-z0-9_-]{43}$/)
  writeFileSync(path, 'gone')
  t.throws(() => openHubKey(path), /cannot be used.*\n.*backup/)
})

/** A hub and a collector that are enrolled with each other, and one connection between them. */
function pair(folder: string) {
  mkdirSync(folder, { recursive: true })
  const { key } = openHubKey(join(folder, 'identity.key'))
  const { privateKey, publicKey } = newKeyPair()
  const enrolment: Enrolment = {
    id: '0d3f1f0e-9a43-4c9e-8f0a-3f1f0e9a434c',
    instance: 'pbx-1',
    publicKey: toBase64url(publicKey),
    state: 'active',
    counter: 0,
    link: zeroLink,
    resync: false,
    machine: {},
    labels: {},
    collector: undefined,
    version: '1',
    createdAt: 0,
    createdBy: 'admin',
    lastSessionAt: undefined,
    endedAt: undefined,
    endedBy: undefined,
    refusals: 0,
    lastRefusedAt: undefined,
    lastRefusal: undefined,
    lastRefusedFrom: undefined,
  }
  writeEnrolment(folder, {
    version: 1,
    enrolment: enrolment.id,
    instance: 'pbx-1',
    hub: 'wss://hub:9770',
    hubKey: key.publicKey,
    privateKey: privateKeyText(privateKey),
    salt: zeroLink,
    labels: {},
  })
  const count = SessionCountFile.create(folder, {
    enrolment: enrolment.id,
    current: { counter: 0, link: zeroLink },
    tried: [],
  })
  const session = sessionKey({
    enrolment: readEnrolment(folder)!,
    count,
    machine: { 'machine-id': 'b64urlb64urlb64urlb64A' },
    onUnsaved: (error) => {
      throw error
    },
  })
  const exporter = Buffer.alloc(32, 5)
  const channel: Channel = { tls: true, local: false, distrust: 'SELF_SIGNED', exporter }
  const begin = () => {
    const handshake = session.begin()
    const knock = knockOf(handshake.authorization)
    if (knock === undefined || knock === 'malformed') throw new Error('BUG: no knock')
    const binding = { kind: 'tls-exporter' as const, bytes: exporter }
    return { handshake, connection: new ChallengedConnection(key, enrolment, knock.nonce, binding) }
  }
  return { enrolment, count, channel, begin }
}

const hello = Buffer.from('{"type":"hello"}')

t.test('both sides make the same chain of links, also past lost welcomes', async (t) => {
  const { enrolment, count, channel, begin } = pair(join(folderOf(t), 'c'))
  const next = (welcome: boolean, reaches = true) => {
    const { handshake, connection } = begin()
    const proof = handshake.prove(connection.challenge, hello.toString(), channel)
    if (!reaches) return
    const shown = connection.check(hello, proof)
    t.match(shown, { counter: enrolment.counter, linkKnown: true })
    enrolment.counter++
    enrolment.link = shown!.nextLink
    if (welcome) handshake.welcomed()
  }
  next(true)
  next(false)
  next(true)
  next(false, false)
  next(false, false)
  next(false)
  next(true)
  t.equal(enrolment.counter, 5)
  t.strictSame(count.count, {
    enrolment: enrolment.id,
    current: { counter: 5, link: enrolment.link },
    tried: [],
  })
  enrolment.resync = true
  enrolment.counter = 2
  enrolment.link = 'B'.repeat(43)
  const { handshake, connection } = begin()
  const shown = connection.check(
    hello,
    handshake.prove(connection.challenge, hello.toString(), channel),
  )
  t.match(shown, { counter: 5, linkKnown: false })
  handshake.welcomed()
  t.strictSame(count.count.current, { counter: 6, link: shown!.nextLink })
})

t.test('a changed bit anywhere in challenge, hello or proof is noticed', async (t) => {
  const { channel, begin } = pair(join(folderOf(t), 'c'))
  const flipped = (text: string, at: number) => {
    const bytes = Buffer.from(text, 'base64url')
    bytes[at % bytes.length]! ^= 1 << (at & 7)
    return bytes.toString('base64url')
  }
  const challengeMembers = [
    'nonce',
    'hubKey',
    'link',
    'signature',
    'counter',
    'resync',
    'binding',
  ] as const
  const proofMembers = ['linkProof', 'signature', 'counter', 'machine', 'hello'] as const
  fc.assert(
    fc.property(fc.constantFrom(...challengeMembers), fc.nat(511), (member, at) => {
      const { handshake, connection } = begin()
      const { challenge } = connection
      const changed: Challenge = {
        ...challenge,
        ...(member === 'counter'
          ? { counter: challenge.counter + 1 + at }
          : member === 'resync'
            ? { resync: !challenge.resync }
            : member === 'binding'
              ? { binding: at % 2 === 0 ? 'tls-proxy' : 'local' }
              : { [member]: flipped(challenge[member], at) }),
      }
      let refused = false
      try {
        handshake.prove(changed, hello.toString(), channel)
      } catch (error) {
        refused = error instanceof HubNotProven
      }
      if (!refused) throw new Error(`${member} was changed and taken`)
    }),
    { numRuns: 200 },
  )
  fc.assert(
    fc.property(fc.constantFrom(...proofMembers), fc.nat(511), (member, at) => {
      const { handshake, connection } = begin()
      const proof = handshake.prove(connection.challenge, hello.toString(), channel)
      const changed: Proof = {
        ...proof,
        ...(member === 'counter' ? { counter: proof.counter + 1 + at } : {}),
        ...(member === 'machine'
          ? { machine: { 'machine-id': flipped('b64urlb64urlb64urlb64A', at) } }
          : {}),
        ...(member === 'linkProof' || member === 'signature'
          ? { [member]: flipped(proof[member], at) }
          : {}),
      }
      const said = member === 'hello' ? Buffer.concat([hello, Buffer.from(' ')]) : hello
      if (connection.check(said, changed) !== undefined)
        throw new Error(`${member} was changed and taken`)
    }),
    { numRuns: 200 },
  )
  const { handshake, connection } = begin()
  const other = begin()
  const proof = handshake.prove(connection.challenge, hello.toString(), channel)
  t.ok(connection.check(hello, proof))
  t.equal(other.connection.check(hello, proof), undefined, 'of another connection')
  t.throws(
    () => other.handshake.prove(connection.challenge, hello.toString(), channel),
    /not of this connection/,
    'a challenge of another connection',
  )
  t.throws(
    () =>
      other.handshake.prove(other.connection.challenge, hello.toString(), {
        ...channel,
        exporter: Buffer.alloc(32, 6),
      }),
    /somebody stands between/,
    'the same frames over another TLS connection',
  )
})

t.test('docs/protocol.md shows what is signed, byte by byte', async (t) => {
  const page = readFileSync(join(packageRoot, 'docs/protocol.md'), 'utf8')
  const filled = (byte: number) => new Uint8Array(32).fill(byte)
  const hub = hubTranscript({
    enrolment: '0d3f1f0e-9a43-4c9e-8f0a-3f1f0e9a434c',
    collectorKey: filled(0xc0),
    hubKey: filled(0xb0),
    collectorNonce: filled(0xc1),
    hubNonce: filled(0xb1),
    binding: 'tls-exporter',
    bindingBytes: filled(0xee),
    counter: 17,
    link: filled(0x11),
    resync: false,
  })
  const collector = collectorTranscript({
    hub,
    helloHash: filled(0xaa),
    counter: 17,
    linkProof: filled(0x22),
    machine: { 'machine-id': 'b64urlb64urlb64urlb64A' },
  })
  const shown = (heading: string) => {
    const block = page.split(`#### ${heading}`)[1]?.split('```')[1] ?? ''
    const hex = block.replace(/ {3}.*$/gm, '').replace(/[^0-9a-f]/g, '')
    return hex
  }
  t.equal(shown('The hub signs'), Buffer.from(hub).toString('hex'))
  t.equal(
    shown('The collector signs'),
    Buffer.from(collector).toString('hex').replace(Buffer.from(hub).toString('hex'), ''),
  )
})
