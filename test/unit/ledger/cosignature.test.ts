import { execFileSync } from 'node:child_process'
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import {
  rawPublicKey,
  readCheckpoint,
  readNamedKey,
  signCheckpoint,
  verifierKeyText,
} from '../../../server/ledger/checkpoint.ts'
import {
  cosign,
  logSaid,
  readLogKey,
  readWitnessKey,
  witnessKeyText,
  witnessSaid,
} from '../../../server/ledger/cosignature.ts'
import { leafHash } from '../../../server/ledger/merkle.ts'
import { witnessFaults } from '../../../server/ledger/witness-config.ts'
import { witnessedBy } from '../../../server/ledger/witnessed.ts'
import { folderOf } from '../../helpers/folder.ts'

const log = generateKeyPairSync('ed25519').privateKey
const anna = generateKeyPairSync('ed25519').privateKey
const name = 'auditor.example/anna'
const logKey = readLogKey(verifierKeyText('callward.ledger/1', rawPublicKey(log)))!
const annaKey = readWitnessKey(witnessKeyText(name, rawPublicKey(anna)))!
const noteOf = (size: number) =>
  signCheckpoint({ origin: 'callward.ledger/1', size, root: leafHash(`${size}`) }, log)

t.test('published keys have the ids that were published with them', async (t) => {
  // C2SP signed-note; transparency-dev/formats, witness/witness_test.go and note/note_cosigv1_test.go.
  const texts = {
    'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k': 1,
    'Wit1+55ee4561+AVhZSmQj9+SoL+p/nN0Hh76xXmF7QcHfytUrI1XfSClk': 1,
    'remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2': 4,
  }
  for (const [text, type] of Object.entries(texts)) {
    t.equal(readNamedKey(text)?.type, type, text)
    t.equal(readNamedKey(text.replace(/\+(.)/, '+0$1').replace(/(.{8})(.)\+/, '$1+')), undefined)
    t.equal(readLogKey(text) === undefined, type !== 1)
    t.equal(readWitnessKey(text) === undefined, type !== 4)
  }
})

t.test('the example of signed-note verifies', async (t) => {
  const { verify } = await import('node:crypto')
  const { publicKeyObject } = await import('../../../server/ledger/checkpoint.ts')
  const key = readLogKey('example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k')!
  const bytes = Buffer.from(
    'Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=',
    'base64',
  )
  t.equal(bytes.subarray(0, 4).toString('hex'), key.keyId)
  const text = Buffer.from('This is an example message.\n')
  t.ok(verify(null, text, publicKeyObject(key.publicKey), bytes.subarray(4)))
})

const peerMissing = !existsSync('/usr/bin/openssl') && process.env.CALLWARD_REQUIRE_PEERS !== '1'

t.test('a cosignature is what C2SP says', async (t) => {
  const note = noteOf(7)
  const head = readCheckpoint(note)!
  const line = cosign(head.text, 1_679_315_147, name, anna)
  t.match(line, /^— auditor\.example\/anna [A-Za-z0-9+/]+=*\n$/)
  const bytes = Buffer.from(line.split(' ')[2]!.trim(), 'base64')
  t.equal(bytes.length, 4 + 8 + 64)
  t.equal(bytes.subarray(0, 4).toString('hex'), annaKey.keyId)
  t.equal(bytes.readBigUInt64BE(4), 1_679_315_147n)
  const cosigned = readCheckpoint(`${note}${line}`)!
  t.equal(cosigned.text, head.text)
  t.match(witnessSaid(cosigned, annaKey), { kind: 'valid', seconds: 1_679_315_147, line })
  t.match(logSaid(cosigned, logKey), { kind: 'valid' })
  t.match(witnessSaid(head, annaKey), { kind: 'absent' })

  t.test('openssl agrees', { skip: peerMissing && 'openssl is not installed' }, async (t) => {
    const [pem, message, signature] = ['pem', 'message', 'signature'].map((n) =>
      join(folderOf(t), n),
    ) as [string, string, string]
    writeFileSync(pem, createPublicKey(anna).export({ type: 'spki', format: 'pem' }))
    // By hand, as the specification shows it.
    writeFileSync(message, `cosignature/v1\ntime 1679315147\n${head.text}`)
    writeFileSync(signature, bytes.subarray(12))
    const verify = ['pkeyutl', '-verify', '-pubin', '-inkey', pem, '-rawin', '-in', message]
    const said = execFileSync('openssl', [...verify, '-sigfile', signature], { encoding: 'utf8' })
    t.match(said, /Verified Successfully/)
  })
})

t.test('what does not verify under a known name spoils the note', async (t) => {
  const note = noteOf(7)
  const { text } = readCheckpoint(note)!
  const good = cosign(text, 10, name, anna)
  const later = cosign(text, 20, name, anna)
  const said = (lines: string, of = note) => witnessSaid(readCheckpoint(`${of}${lines}`)!, annaKey)
  t.match(said(`${later}${good}`), { kind: 'valid', seconds: 20 }, 'of several the newest')
  t.match(said(good, noteOf(8)), { kind: 'invalid' })
  t.match(said(`${good}${cosign(readCheckpoint(noteOf(8))!.text, 30, name, anna)}`), {
    kind: 'invalid',
  })
  t.match(said(cosign(text, 10, 'auditor.example/other', anna)), { kind: 'absent' })
  t.match(said(cosign(text, 10, name, log)), { kind: 'absent' }, 'another id: another key')
  const bytes = Buffer.from(good.split(' ')[2]!, 'base64')
  for (const spoil of [
    (b: Buffer) => b.subarray(0, 75),
    (b: Buffer) => Buffer.concat([b, Buffer.of(0)]),
    (b: Buffer) => b.fill(0, 4, 12),
    (b: Buffer) => b.fill(0xff, 4, 12),
    (b: Buffer) => b.fill(1, 40, 41),
  ]) {
    const line = `— ${name} ${spoil(Buffer.from(bytes)).toString('base64')}\n`
    t.match(said(line), { kind: 'invalid' })
  }
  const forged = readCheckpoint(note.replace('\n7\n', '\n9\n'))!
  t.match(logSaid(forged, logKey), { kind: 'invalid' })
  t.throws(() => cosign(text, 0, name, anna), /BUG/)
  t.throws(() => cosign(text, 1.5, name, anna), /BUG/)
})

t.test('notes that could be read in two ways are no notes', async (t) => {
  const note = noteOf(7)
  const [text, signature] = note.split('\n\n') as [string, string]
  for (const bad of [
    `${text}\n\nextension\n\n${signature}`,
    `\n${note}`,
    `${text}\r\n\n${signature}`,
    note.replace('7', '7\0'),
    `${text}\n\n${signature}\u2014 ${name} AAAA\n\n`,
  ])
    t.equal(readCheckpoint(bad), undefined, JSON.stringify(bad))
  t.ok(readCheckpoint(`${text}\nextension\n\n${signature}`), 'extension lines are allowed')
})

t.test('which witness saw what', async (t) => {
  const notes = [3, 5, 9].map((size) => {
    const note = noteOf(size)
    const seconds = size * 100
    return size === 9 ? note : `${note}${cosign(readCheckpoint(note)!.text, seconds, name, anna)}`
  })
  const other = readWitnessKey(witnessKeyText('b', rawPublicKey(log)))!
  t.match(witnessedBy([...notes, 'x'], [annaKey, other]), [
    { name, count: 2, largest: { size: 5, seconds: 500 }, faults: [] },
    { name: 'b', count: 0, largest: undefined, faults: [] },
  ])
  const moved = `${noteOf(9)}${cosign(readCheckpoint(notes[0]!)!.text, 1, name, anna)}`
  t.match(witnessedBy([moved], [annaKey]), [{ count: 0, faults: [/of 9 entries is not good/] }])
})

t.test('witnesses of a configuration', async (t) => {
  const key = witnessKeyText(name, rawPublicKey(anna))
  t.same(witnessFaults([{ name: 'a', key }]), [])
  t.match(witnessFaults([{ name: 'a', key: `${key}x` }]), [/no key of a witness/])
  t.match(witnessFaults([{ name: 'a', key: verifierKeyText('l', rawPublicKey(log)) }]), [/no key/])
  t.match(
    witnessFaults([
      { name: 'a', key },
      { name: 'a', key },
    ]),
    [/"a" is there twice/, /twice/],
  )
  t.same(witnessFaults([7, null, {}, 'x']), [])
  t.same(witnessFaults('x'), [])
})
