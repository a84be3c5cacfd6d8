// Makes an evidence bundle of many entries, with what an auditor brings along, as files of a folder. Arguments: folder, entries.
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { publishedStates } from '../../server/ledger/bundle-states.ts'
import { rawPublicKey, signCheckpoint, verifierKeyText } from '../../server/ledger/checkpoint.ts'
import { seal } from '../../server/ledger/entry.ts'
import { GrowingTree } from '../../server/ledger/merkle.ts'
import { ZipWriter } from '../../server/ledger/zip-writer.ts'

const origin = 'callward.ledger/bench'
const begin = Date.UTC(2026, 4, 1)
/** As the hub has it. */
const entriesPerMember = 1000

/** What happens in a bank's ledger day after day, about 500 bytes an entry. */
function changeOf(index: number) {
  const at = begin + index * 2000
  const actor = `operator-${index % 40}`
  if (index % 4 === 0)
    return {
      action: 'change.entry',
      object: { type: 'change', id: `CHG-${index % 9000}` },
      actor,
      occurredAt: at,
      content: { entry: `e${index}`, kind: 'note', state: 'running', supersedes: null },
      sensitive: { value: `Port ${index} of the media gateway was moved to the second card.` },
    }
  return {
    action: 'silence.set',
    object: { type: 'silence', id: `s${index % 7000}` },
    actor,
    occurredAt: at,
    content: {
      ...{ createdBy: actor, endsAt: at + 3_600_000, startsAt: at, forced: index % 3 === 0 },
      matchers: [{ name: 'server', value: `pbx-${index % 500}`, isRegex: false }],
    },
  }
}

/** Entry `index` of the log, sealed as the hub does it. */
function sealed(index: number, last: number) {
  const at = begin + index * 2000
  if (index === 0)
    return seal(
      {
        action: 'ledger.opened',
        object: { type: 'ledger', id: origin },
        actor: 'hub',
        occurredAt: at,
        content: { origin, reason: 'first start', previous: null },
      },
      at,
    )
  if (index === last)
    return seal(
      {
        action: 'ledger.bundle',
        object: { type: 'bundle', id: 'b' },
        actor: 'mai',
        occurredAt: at,
        content: { kind: 'period' },
      },
      at,
    )
  return seal(changeOf(index), at)
}

const [folder = '', countText] = process.argv.slice(2)
const count = Number(countText)
const { privateKey } = generateKeyPairSync('ed25519')
const zip = new ZipWriter()
const out = createWriteStream(join(folder, 'bundle.zip'))
async function put(buffers: readonly Buffer[]): Promise<void> {
  for (const buffer of buffers) if (!out.write(buffer)) await once(out, 'drain')
}

const tree = new GrowingTree()
for (let part = 0; part * entriesPerMember < count; part++) {
  const lines: string[] = []
  const end = Math.min(count, (part + 1) * entriesPerMember)
  for (let index = part * entriesPerMember; index < end; index++) {
    const { entry, leaf } = sealed(index, count - 1)
    tree.add(Buffer.from(leaf, 'base64'))
    lines.push(`${JSON.stringify({ index, entry, leaf })}\n`)
  }
  const name = `entries/${String(part).padStart(6, '0')}.jsonl`
  await put(zip.add(name, Buffer.from(lines.join(''))))
}
const note = signCheckpoint({ origin, size: count, root: tree.root() }, privateKey)
const manifest = {
  ...{ format: 'callward-evidence', version: 1, origin, size: count },
  asked: { kind: 'period', from: '2026-01-01T00:00:00.000Z', to: '2036-01-01T00:00:00.000Z' },
  range: { from: 0, to: count },
  asOf: count,
  madeAt: '2026-06-01T00:00:01.000Z',
  inconsistency: null,
}
const documents = {
  'manifest.json': JSON.stringify(manifest),
  'proofs.json': JSON.stringify({ range: [], single: [], since: null }),
  'states.json': JSON.stringify(publishedStates),
  'checkpoint.txt': note,
}
for (const [name, text] of Object.entries(documents)) await put(zip.add(name, Buffer.from(text)))
await put(zip.end())
out.end()
await finished(out)
writeFileSync(join(folder, 'checkpoint.txt'), note)
writeFileSync(join(folder, 'key.txt'), verifierKeyText(origin, rawPublicKey(privateKey)))
