import { execFileSync } from 'node:child_process'
import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { limits } from '../../server/attachments/attachment.ts'
import { AttachmentFiles } from '../../server/attachments/attachment-files.ts'
import { restoreBackup } from '../../server/backup/restore.ts'
import { verifyBackup } from '../../server/backup/verify.ts'
import { folderOf } from '../helpers/folder.ts'
import { adminToken, until } from '../helpers/hub.ts'
import { terminalOf } from '../helpers/terminal.ts'
import { faultsIn, flagsIn, PrivacyDesk, sha256 } from './privacy-desk.ts'

const png = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex')
const secret = 'Nguyễn Văn Lan, 555-0101, wants this gone'

/** What lies in the folder of files, half ones apart. */
function onDisk(desk: PrivacyDesk): { readonly files: string[]; readonly halves: string[] } {
  const folder = join(desk.data, 'hub', 'attachments')
  const files = readdirSync(folder).filter((name) => name !== 'half')
  return { files: files.sort(), halves: readdirSync(join(folder, 'half')) }
}

t.test('files of an incident: kept by their hash, told, fetched without being run', async (t) => {
  const desk = await PrivacyDesk.start(t)
  await desk.incident(1)
  await desk.incident(2)
  const content = Buffer.from('<script>alert(1)</script>')
  const added = await desk.attach('anna', 1, 'trace “1”.html', content, {
    headers: { 'content-type': 'text/html; charset=utf-8' },
    query: `&sha256=${sha256(content)}`,
  })
  t.match(added, {
    status: 201,
    body: {
      attachment: {
        ...{ name: 'trace “1”.html', mediaType: 'text/html', bytes: content.length },
        ...{ sha256: sha256(content), addedBy: 'anna', erasedAt: null },
      },
    },
  })
  const { id } = added.body.attachment
  const file = await desk.fetchFile('vera', 1, id)
  t.equal(file.statusCode, 200)
  t.same(file.rawPayload, content)
  t.match(file.headers, {
    'content-type': 'application/octet-stream',
    'content-disposition': /^attachment; filename="trace _1_\.html"; filename\*=UTF-8''trace/,
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'; sandbox",
    'cache-control': 'private, no-store',
  })
  t.equal((await desk.fetchFile('vera', 2, id)).statusCode, 404, 'of its own incident only')
  t.equal((await desk.fetchFile('anna', 1, id, '?inline=true')).statusCode, 422, 'no image')
  const disguised = await desk.attach('anna', 1, 'a.png', Buffer.from('<svg/onload=x>'), {
    headers: { 'content-type': 'image/png' },
  })
  const shown = (one: typeof disguised) =>
    desk.fetchFile('anna', 1, one.body.attachment.id, '?inline=true')
  t.equal((await shown(disguised)).statusCode, 422, 'called an image, and none')
  const image = await shown(await desk.attach('anna', 1, 'b.txt', png))
  t.match(image.headers, { 'content-type': 'image/png', 'content-disposition': /^inline;/ })

  t.equal((await desk.attach('boris', 2, 'same.html', content)).status, 201)
  t.equal(onDisk(desk).files.length, 3, 'the same content is kept once')
  t.same(onDisk(desk).halves, [])
  t.equal((await desk.attach('vera', 1, 'x', content)).status, 403, 'an auditor changes nothing')

  for (const [what, answer, status, said] of [
    ['a path', await desk.attach('anna', 1, '../../x', content), 400, /without folders/],
    ['nothing', await desk.attach('anna', 1, 'x', Buffer.alloc(0)), 400, /is empty/],
    ['another incident', await desk.attach('anna', 9, 'x', content), 404, /no incident 9/],
    [
      'another hash',
      await desk.attach('anna', 1, 'x', content, { query: `&sha256=${'0'.repeat(64)}` }),
      400,
      /came with the SHA-256/,
    ],
    [
      'a wrong length',
      await desk.attach('anna', 1, 'x', content, { headers: { 'content-length': '7' } }),
      400,
      /Content-Length says 7/,
    ],
    [
      'too much, as announced',
      await desk.attach('anna', 1, 'x', content, {
        headers: { 'content-length': String(limits.fileBytes + 1) },
      }),
      413,
      /at most 26214400 bytes/,
    ],
    [
      'too much, when it came',
      await desk.attach('anna', 1, 'x', Buffer.alloc(limits.fileBytes + 1)),
      413,
      /attach a part of it/,
    ],
  ] as const)
    t.match(answer, { status, body: { error: { message: said } } }, what)
  t.same(onDisk(desk).halves, [], 'nothing half is left')
  t.equal(onDisk(desk).files.length, 3)

  // A sender that goes away in the middle.
  const socket = connect(Number(new URL(desk.url).port), '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write(
    `POST /api/v1/incidents/1/attachments?name=cut HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${desk.tokenOf('anna')}\r\nContent-Type: a/b\r\nContent-Length: 1000\r\n\r\nhalf`,
  )
  await until('its half is on the disk', async () => onDisk(desk).halves.length === 1)
  socket.destroy()
  await until('its half is gone', async () => onDisk(desk).halves.length === 0)
  t.equal((await desk.call('vera', 'GET', '/incidents/1/attachments')).body.attachments.length, 3)

  const whole = await desk.bundle('incident=1')
  const report = await desk.verify(whole)
  t.same(faultsIn(report), [])
  t.equal(report.verdict, 'verified')
  t.match(report.checks.find((one) => one.id === 'digests')?.said, /3 attached files/)

  // Somebody changes a file behind the hub's back.
  const path = join(desk.data, 'hub', 'attachments', sha256(content))
  writeFileSync(path, 'other')
  t.match(await desk.fetchFile('anna', 1, id), { statusCode: 409 })
  t.match(faultsIn(await desk.verify(await desk.bundle('incident=1'))), [
    /^digests: attachments: file .* is not the file that/,
    /^digests: attachments: file .* has 5 bytes/,
  ])
  t.equal((await desk.attach('anna', 1, 'again', content)).status, 201, 'and brings it again')
  t.equal((await desk.fetchFile('anna', 1, id)).statusCode, 200, 'which mends it')
  writeFileSync(join(desk.data, 'hub', 'attachments', 'half', 'left'), 'half of a file')
  // Named, but the hub ended before the record was written.
  const orphan = Buffer.from('nobody knows me')
  writeFileSync(join(desk.data, 'hub', 'attachments', 'half', 'named'), orphan)
  const folder = join(desk.data, 'hub', 'attachments')
  linkSync(join(folder, 'half', 'named'), join(folder, sha256(orphan)))
  // Recorded, but the hub ended before its half was gone.
  linkSync(path, join(folder, 'half', id))
  await desk.app.close()
  await desk.open()
  t.same(onDisk(desk).halves, [], 'a start sweeps')
  t.notOk(existsSync(join(folder, sha256(orphan))))
  t.equal((await desk.fetchFile('anna', 1, id)).statusCode, 200)
})

t.test('a full disk takes nothing and leaves nothing', async (t) => {
  const folder = folderOf(t)
  const mount = join(folder, 'disk')
  mkdirSync(mount)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', mount], { stdio: 'pipe' })
  } catch (error) {
    t.notOk(
      process.env['CALLWARD_REQUIRE_PEERS'] === '1' && process.getuid?.() === 0,
      String(error),
    )
    t.pass('not run', { skip: 'mounting needs root' })
    return
  }
  t.teardown(() => execFileSync('umount', ['-l', mount]))
  const files = await AttachmentFiles.open(join(mount, 'attachments'))
  async function* body() {
    for (let n = 0; n < 64; n++) yield Buffer.alloc(64 * 1024, n)
  }
  await t.rejects(files.receive('a', body(), limits.fileBytes, undefined), {
    code: 'storage_unavailable',
    message: /ENOSPC.*Nothing was attached/,
  })
  t.same(await files.halves(), [])
})

t.test('erased by two people: the words are gone, the proof stands', async (t) => {
  const desk = await PrivacyDesk.start(t)
  await desk.incident(1)
  await desk.call('anna', 'POST', '/incidents/1/notes', { text: secret })
  await desk.call('anna', 'POST', '/incidents/1/notes', { text: 'The trunk is back.' })
  const file = Buffer.from(`${secret}\n`)
  const attachment = (await desk.attach('anna', 1, 'Lan.txt', file)).body.attachment
  const note = (await desk.facts(1)).find(({ text }) => text === secret)!
  const before = await desk.bundle('incident=1')
  const months = 40 * 24 * 3_600_000
  const at = (millis: number) => new Date(desk.clock.now() + millis).toISOString()
  const period = `from=${at(-3_600_000)}&to=${at(3_600_000)}`

  const ask = (who: string, more: object) =>
    desk.call(who, 'POST', '/erasures', {
      ...{ incident: '1', kind: 'fact', id: note.id, reason: 'Request of the customer, GDPR 17' },
      ...more,
    })
  t.equal((await ask('vera', {})).status, 403)
  t.match(await ask('token of anna', {}), {
    status: 403,
    body: { error: { message: /own password/ } },
  })
  t.equal((await ask('anna', { id: 'none' })).status, 404)
  t.match(await ask('anna', { fields: ['recordedBy'] }), { status: 422 })
  t.equal((await ask('anna', { incident: '7' })).status, 404)
  const asked = await ask('anna', {})
  t.equal(asked.status, 202)
  t.match(
    (await desk.facts(1)).find(({ id }) => id === note.id),
    { text: secret },
    'not yet',
  )
  t.equal((await desk.agreed(asked, 'anna')).status, 403, 'not by the same person')
  t.equal((await desk.agreed(asked, 'vera')).status, 403)
  const told: string[] = []
  desk.app.privacy.onErased(async (_tx, erasure) => void told.push(`${erasure.kind} ${erasure.of}`))
  t.equal((await desk.agreed(asked, 'boris')).status, 200)
  t.match(
    (await desk.facts(1)).find(({ id }) => id === note.id),
    { text: '[erased]' },
  )
  t.match(await ask('anna', {}), { status: 409, body: { error: { message: /Nothing is left/ } } })

  const gone = await ask('boris', { kind: 'attachment', id: attachment.id })
  t.match(await desk.agreed(gone, 'anna'), { status: 200 })
  const named = (await desk.facts(1)).find(({ kind }) => kind === 'attachment')!
  t.same(
    told,
    [`fact ${note.id}`, `attachment ${attachment.id}`, `fact ${named.id}`],
    'its line on the timeline too',
  )
  await until('the file is off the disk', async () => onDisk(desk).files.length === 0)
  t.equal((await desk.fetchFile('anna', 1, attachment.id)).statusCode, 410)
  t.match((await desk.call('vera', 'GET', '/incidents/1/attachments')).body.attachments, [
    { name: '[erased]', sha256: null, erasedAt: String },
  ])
  const { erasures } = (await desk.call('vera', 'GET', '/erasures?incident=1')).body
  // The first two were made at one instant.
  erasures.sort((a: { kind: string }, b: { kind: string }) => (a.kind < b.kind ? -1 : 1))
  t.match(erasures, [
    { kind: 'attachment', askedBy: 'boris', approvedBy: 'anna' },
    { kind: 'fact', of: named.id, fields: ['text', 'name', 'hash'] },
    { kind: 'fact', of: note.id, fields: ['text'], askedBy: 'anna', approvedBy: 'boris' },
  ])

  const after = await desk.bundle('incident=1')
  t.notMatch(Buffer.from(after).toString('latin1'), /555-0101/)
  const report = await desk.verify(after)
  t.same(faultsIn(report), [])
  t.match(flagsIn(report).filter((flag) => /erased by entry \d+$/.test(flag)).length, 3)
  t.same(faultsIn(await desk.verify(before)), [], 'what was handed out before still verifies')
  // A bundle of a period that ended before the erasure explains its rows.
  desk.clock.ahead = months
  for (const name of ['anna', 'boris']) await desk.signIn(name)
  await desk.incident(2)
  await desk.call('anna', 'POST', '/incidents/2/notes', { text: secret })
  const late = (await desk.facts(1)).find(({ text }) => text === 'The trunk is back.')!
  t.equal((await desk.agreed(await ask('anna', { id: late.id }), 'boris')).status, 200)
  const ofPeriod = await desk.verify(await desk.bundle(period))
  t.same(faultsIn(ofPeriod), [])
  t.match(flagsIn(ofPeriod).filter((flag) => /erased by entry \d+$/.test(flag)).length, 4)

  // Who erases past the hub, or puts words where some were erased, is found.
  const { records } = desk.app
  const edit = async (set: string, expected: RegExp) => {
    const { value } = await records.read
      .selectFrom('incident_facts')
      .select('value')
      .where('id', '=', note.id)
      .executeTakeFirstOrThrow()
    const put = (text: string) =>
      records.write((tx) =>
        tx.updateTable('incident_facts').set({ value: text }).where('id', '=', note.id).execute(),
      )
    await put(set)
    t.match(faultsIn(await desk.verify(await desk.bundle('incident=1'))).join('\n'), expected)
    await put(value)
  }
  await edit(
    '{"text":"Nothing happened."}',
    /value is not the text that entry \d+ .* holds the hash of/,
  )
  await edit('', /value is not the text that entry/)
  const other = (await desk.facts(1)).find(({ kind }) => kind === 'alert_fired')!
  await records.write(async (tx) => {
    await tx
      .updateTable('incident_facts')
      .set({ value: '{"text":"[erased]"}' })
      .where('id', '=', other.id)
      .execute()
    await tx
      .updateTable('ledger_entries')
      .set({ opening: null })
      .where('entry', 'like', `%${other.id}%`)
      .execute()
  })
  t.match(
    faultsIn(await desk.verify(await desk.bundle('incident=1'))).join('\n'),
    /value is shown, and the salt that proves it .* is gone/,
    'erased by nobody',
  )
})

t.test('a legal hold keeps it all until two people release it', async (t) => {
  const desk = await PrivacyDesk.start(t)
  await desk.incident(1)
  await desk.call('anna', 'POST', '/incidents/1/notes', { text: secret })
  const note = (await desk.facts(1)).find(({ text }) => text === secret)!
  const attachment = (await desk.attach('anna', 1, 'a', Buffer.from(secret))).body.attachment
  const erase = (kind: string, id: string) =>
    desk.call('anna', 'POST', '/erasures', { incident: '1', kind, id, reason: 'asked' })
  const waiting = await erase('fact', note.id)
  t.equal(waiting.status, 202)
  const hold = (who: string, body: object) =>
    desk.call(who, 'POST', '/holds', { reason: 'Court 12/26', ...body })
  t.equal((await hold('vera', { incident: '1' })).status, 403, 'an auditor changes nothing')
  t.equal((await hold('anna', {})).status, 400)
  t.equal((await hold('anna', { incident: '1', from: '2026-01-01T00:00:00Z' })).status, 400)
  t.equal((await hold('anna', { incident: '1', until: '2020-01-01T00:00:00Z' })).status, 400)
  t.equal((await hold('anna', { incident: '9' })).status, 404)
  t.equal(desk.app.holds.keepFrom(), Number.POSITIVE_INFINITY)
  const held = await hold('anna', { incident: '1' })
  t.match(held, {
    status: 201,
    body: {
      hold: { incident: 1, standing: true, until: null, setBy: 'anna', reason: 'Court 12/26' },
    },
  })
  const { id } = held.body.hold
  t.ok(desk.app.holds.keepFrom() < desk.clock.now() - 23 * 3_600_000, 'from a day before')
  t.equal((await hold('anna', { incident: '1' })).status, 409, 'once')
  for (const answer of [
    await desk.agreed(waiting, 'boris'),
    await erase('fact', note.id),
    await erase('attachment', attachment.id),
  ])
    t.match(answer, {
      status: 409,
      body: { error: { message: /under legal hold \(.*set by anna/ } },
    })
  t.match(
    (await desk.facts(1)).find(({ id }) => id === note.id),
    { text: secret },
  )
  t.equal((await desk.fetchFile('vera', 1, attachment.id)).statusCode, 200)

  // What is swept by age stays too, and after a restart.
  await desk.app.close()
  await desk.open()
  t.ok(desk.app.holds.keepFrom() < desk.clock.now())
  const release = (who: string) =>
    desk.call(who, 'POST', `/holds/${id}/release`, { reason: 'The case is closed' })
  t.equal((await release('vera')).status, 403)
  t.equal((await release('token of anna')).status, 403)
  const asked = await release('anna')
  t.equal((await desk.agreed(asked, 'anna')).status, 403)
  t.equal((await desk.call('vera', 'GET', '/holds?incident=1')).body.holds.length, 1)
  t.equal((await desk.agreed(asked, 'boris')).status, 200)
  await until(
    'it keeps nothing',
    async () => desk.app.holds.keepFrom() === Number.POSITIVE_INFINITY,
  )
  t.match((await desk.call('vera', 'GET', '/holds')).body.holds, [])
  t.match((await desk.call('vera', 'GET', '/holds?state=all&incident=1')).body.holds, [
    { standing: false, releasedBy: ['anna', 'boris'], releaseReason: 'The case is closed' },
  ])
  t.equal((await release('anna')).status, 409, 'once')
  t.equal((await desk.agreed(waiting, 'boris')).status, 200, 'what waited may now be done')

  // A period holds the incidents that lasted into it, and ends by itself.
  const at = (hours: number) => new Date(desk.clock.now() + hours * 3_600_000).toISOString()
  const past = await hold('boris', { from: at(-72), to: at(-48) })
  t.equal(past.status, 201)
  t.equal((await erase('attachment', attachment.id)).status, 202, 'another time')
  t.match(await hold('boris', { from: at(-2), to: at(-1) }), { status: 201 })
  t.match((await desk.call('vera', 'GET', '/holds?incident=1')).body.holds, [], 'opened later')
  t.equal((await hold('boris', { from: at(-2), to: at(2), until: at(1) })).status, 201)
  t.match((await desk.call('vera', 'GET', '/holds?incident=1')).body.holds, [{ until: String }])
  t.match(await erase('attachment', attachment.id), { status: 409 })
  desk.clock.ahead = 2 * 3_600_000
  t.match((await desk.call('token of vera', 'GET', '/holds?incident=1')).body.holds, [])
  const report = await desk.verify(await desk.bundle('incident=1'))
  t.same(faultsIn(report), [])
  t.match(
    report.checks.find((one) => one.id === 'states')?.said,
    /^1 incidents replayed.*[1-9] other decisions that take two/,
  )
})

t.test('by terminal, and in a backup', async (t) => {
  const desk = await PrivacyDesk.start(t)
  await desk.incident(1)
  const folder = join(desk.data, '..', 'own')
  mkdirSync(folder)
  const path = join(folder, 'trace.txt')
  writeFileSync(path, 'INVITE sip:9001')
  const callward = terminalOf(desk.url, desk.tokenOf('boris'))
  const said = async (code: number, text: RegExp, ...args: string[]) =>
    t.match(await callward(...args), { code, out: text }, args.join(' '))
  await said(
    0,
    /trace\.txt is attached: 15 bytes, SHA-256 [0-9a-f]{64}/,
    'incident',
    '#1',
    'attach',
    path,
  )
  await said(1, /cannot be read \(ENOENT\)/, 'incident', '1', 'attach', join(folder, 'none'))
  await said(1, /without folders/, 'incident', '1', 'attach', path, '--name', '../x')
  await said(2, /Say which file/, 'incident', '1', 'attach')
  await said(0, /NAME[\s\S]*trace\.txt/, 'incident', '1', 'files')
  const [file] = (await desk.call('vera', 'GET', '/incidents/1/attachments')).body.attachments
  const out = join(folder, 'back.txt')
  await said(0, /back\.txt/, 'incident', '1', 'files', file.id, '--out', out)
  t.equal(readFileSync(out, 'utf8'), 'INVITE sip:9001')
  await said(1, /exists already/, 'incident', '1', 'files', file.id, '--out', out)
  await said(0, /Nothing is held/, 'hold')
  await said(2, /Say why/, 'hold', 'set', '--incident', '1')
  await said(0, /#1 is held/, 'hold', 'set', '--incident', '1', '--reason', 'Court 12/26')
  await said(0, /#1 +HELD[\s\S]*Court 12\/26/, 'hold', '--incident', '1')
  const [hold] = (await desk.call('vera', 'GET', '/holds')).body.holds
  await said(1, /sign in to the console/, 'hold', 'release', hold.id, '--reason', 'x')
  await said(2, /hold release ID/, 'hold', 'release')

  const answer = await fetch(`${desk.url}/api/v1/backup`, {
    method: 'POST',
    headers: { authorization: `Bearer ${adminToken}` },
  })
  const backup = join(folder, 'backup.tar')
  writeFileSync(backup, Buffer.from(await answer.arrayBuffer()))
  const { files } = await verifyBackup(backup)
  t.match(
    files.filter((one) => one.path.startsWith('hub/attachments/')),
    [{ path: `hub/attachments/${file.sha256}`, sha256: file.sha256, bytes: 15 }],
  )
  await restoreBackup(backup, join(folder, 'restored'), () => undefined)
  const restored = join(folder, 'restored', 'hub', 'attachments', file.sha256)
  t.equal(readFileSync(restored, 'utf8'), 'INVITE sip:9001')
})
