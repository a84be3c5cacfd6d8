import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import t from 'tap'
import {
  certificateFiles,
  certificateMetrics,
  certificateSection,
  certificatesOf,
} from '../../../collector/surveys/software/certificates.ts'
import { configFiles } from '../../../collector/surveys/software/config-files.ts'
import { licences } from '../../../collector/surveys/software/licences.ts'
import { expand, matchesName, realPath } from '../../../collector/surveys/software/paths.ts'
import { serviceVersions } from '../../../collector/surveys/software/services.ts'
import { printable } from '../../../collector/surveys/software/text.ts'
import { presentedCertificates } from '../../../collector/surveys/software/tls-endpoints.ts'
import { ask, whyNotTrusted } from '../../../collector/trusted-program.ts'
import { makeCertificate, opensslMissing } from '../../helpers/certificates.ts'
import { folderOf } from '../../helpers/folder.ts'

const isRoot = process.getuid?.() === 0

/** Runs `work` with the rights of user nobody, where we have others. */
function asNobody<T>(work: () => T): T {
  if (!isRoot) return work()
  process.seteuid!(65534)
  try {
    return work()
  } finally {
    process.seteuid!(0)
  }
}

t.test('names and wildcards: linear, no leading dot, folders only in the middle', async (t) => {
  const cases: [name: string, pattern: string, matches: boolean][] = [
    ['sip.conf', '*.conf', true],
    ['.conf', '*.conf', false],
    ['.hidden', '.*', true],
    ['sip.conf.old', '*.conf', false],
    ['a', '?', true],
    ['', '*', true],
    ['ab', '?', false],
    ['abc', 'a*b*c', true],
    ['a.b', 'a[.]b', false],
  ]
  for (const [name, pattern, matches] of cases)
    t.equal(matchesName(name, pattern), matches, `${name} ${pattern}`)
  t.notOk(matchesName(`${'a'.repeat(250)}b`, `${'*a'.repeat(120)}c`), 'and quickly')

  const rootfs = folderOf(t, {
    etc: { a: { 'x.conf': '1', 'y.conf': '2', sub: { 'z.conf': '3' } }, b: { 'x.conf': '4' } },
  })
  symlinkSync(join(rootfs, 'etc/a'), join(rootfs, 'etc/linked'))
  const found = (patterns: string[], limit = 100) => expand({ rootfs, patterns }, limit)
  t.strictSame(found(['/etc/*/x.conf', '/etc/a/*.conf', '/etc/a/x.conf', '/none']).paths, [
    '/etc/a/x.conf',
    '/etc/a/y.conf',
    '/etc/b/x.conf',
    '/none',
  ])
  t.strictSame(
    found(['/etc/a/*']).paths,
    ['/etc/a/x.conf', '/etc/a/y.conf'],
    'files only at the end',
  )
  t.strictSame(found(['/none/*', '/etc/*/none']), { paths: [], named: new Set(), troubles: [] })
})

t.test(
  'ten thousand files in a folder: the first two hundred by name, and a fault that says so',
  async (t) => {
    const rootfs = mkdtempSync(join(tmpdir(), 'callward-many-'))
    t.teardown(() => rmSync(rootfs, { recursive: true }))
    mkdirSync(join(rootfs, 'etc'))
    for (let i = 0; i < 10_000; i++)
      writeFileSync(join(rootfs, `etc/${String(i).padStart(5, '0')}.conf`), '')
    const { section, files } = configFiles({ rootfs, patterns: ['/etc/*.conf'] })
    t.match(section, {
      state: 'error',
      detail: /9800 files beyond the first 200 left out: list fewer/,
    })
    t.equal(files.length, 200)
    t.match([files[0], files.at(-1)], [{ path: '/etc/00000.conf' }, { path: '/etc/00199.conf' }])
  },
)

t.test('configuration files: hash, size, time; never their content', async (t) => {
  const rootfs = mkdtempSync(join(tmpdir(), 'callward-files-'))
  t.teardown(() => {
    chmodSync(join(rootfs, 'etc/shutFolder'), 0o700)
    rmSync(rootfs, { recursive: true })
  })
  chmodSync(rootfs, 0o755)
  for (const folder of ['etc/folder', 'etc/shutFolder', 'opt'])
    mkdirSync(join(rootfs, folder), { recursive: true })
  const contents = {
    ...{ 'etc/sip.conf': 'secret=hunter2\n', 'etc/empty': '', 'etc/shut.conf': 'secret' },
    ...{ 'etc/shutFolder/a.conf': '', 'opt/real.conf': 'x', 'opt/other.conf': 'y' },
  }
  for (const [path, content] of Object.entries(contents)) writeFileSync(join(rootfs, path), content)
  const at = (path: string) => join(rootfs, path)
  utimesSync(at('etc/sip.conf'), 1_700_000_000, 1_700_000_000)
  execFileSync('mkfifo', [at('etc/pipe')])
  symlinkSync(at('opt/real.conf'), at('etc/listed.conf'))
  symlinkSync(at('opt/other.conf'), at('etc/unlisted.conf'))
  symlinkSync('/etc/passwd', at('etc/outside.conf'))
  symlinkSync('loop', at('etc/loop'))
  symlinkSync(at('opt'), at('etc/optlink'))
  writeFileSync(at('etc/large'), '')
  truncateSync(at('etc/large'), 10 * 1024 * 1024 + 1)
  writeFileSync(Buffer.concat([Buffer.from(at('etc/bad-')), Buffer.from([0xff])]), 'x')
  chmodSync(at('etc/shut.conf'), 0)
  chmodSync(at('etc/shutFolder'), 0)
  const patterns = [
    ...[
      '/etc/sip.conf',
      '/etc/empty',
      '/etc/pipe',
      '/etc/folder',
      '/etc/missing',
      '/etc/large',
      '/etc/loop',
    ],
    ...[
      '/etc/listed.conf',
      '/opt/real.conf',
      '/etc/unlisted.conf',
      '/etc/outside.conf',
      '/etc/optlink/real.conf',
    ],
    ...['/etc/shut.conf', '/etc/bad-*', '/etc/shutFolder/*.conf', '/dev/null'],
  ]
  const { section, files } = asNobody(() => configFiles({ rootfs, patterns }))
  const of = (path: string) => files.find((one) => one.path === path)
  const hash = createHash('sha256').update('secret=hunter2\n').digest('hex')
  t.strictSame(of('/etc/sip.conf'), {
    path: '/etc/sip.conf',
    state: 'ok',
    sha256: hash,
    bytes: 15,
    modifiedAt: '2023-11-14T22:13:20Z',
  })
  t.match(of('/etc/empty'), { state: 'ok', bytes: 0 })
  t.match(of('/etc/pipe'), { state: 'error', detail: 'no regular file' })
  t.match(of('/etc/folder'), { state: 'error', detail: 'no regular file' })
  t.match(of('/etc/missing'), { state: 'absent' })
  t.match(of('/etc/large'), { state: 'error', detail: 'over the limit of 10240 KiB' })
  t.match(of('/etc/loop'), { state: 'error', detail: /ELOOP/ })
  t.match(of('/etc/listed.conf'), { state: 'ok' }, 'a link to what is listed')
  t.match(of('/etc/optlink/real.conf'), { state: 'ok' }, 'the folder it begins with may be a link')
  t.match(of('/etc/unlisted.conf'), { state: 'error', detail: /list its target/ })
  t.match(of('/etc/outside.conf'), { state: 'error', detail: /leaves the rootfs/ })
  t.match(of('/etc/shut.conf'), { state: 'denied', detail: /grant .* read access/ })
  t.match(
    files.find(({ path }) => path.startsWith('/etc/bad-')),
    {
      state: 'error',
      detail: 'its name is not UTF-8',
    },
  )
  t.match(section, { name: 'config_files', state: 'error' })
  t.notMatch(JSON.stringify({ section, files }), /hunter2|passwd/)
  const shut = asNobody(() => configFiles({ rootfs, patterns: ['/etc/shutFolder/*.conf'] }))
  t.match(shut, { section: { state: 'denied', detail: /^\/etc\/shutFolder: grant/ }, files: [] })
  t.match(configFiles({ rootfs, patterns: [] }).section, {
    state: 'absent',
    detail: /software\.files/,
  })
  t.strictSame(
    asNobody(() => configFiles({ rootfs, patterns })),
    { section, files },
    'equal while nothing changes',
  )
  t.equal(
    configFiles({ rootfs, patterns: ['/etc/missing'] }).section.state,
    'ok',
    'absent is an answer',
  )
  t.throws(
    () =>
      realPath('/etc/passwd', { rootfs: '/', patterns: [] }) &&
      realPath('/proc/self/exe', { rootfs: '/', patterns: ['/proc/self/exe'] }),
    /not listed/,
  )
  t.doesNotThrow(() =>
    realPath('/etc/unlisted.conf', { rootfs, patterns: ['/etc/*'], mayLinkTo: ['/opt/*'] }),
  )
})

t.test(
  'certificates by the real openssl: bundles, keys beside them, DER, damage',
  { skip: opensslMissing },
  async (t) => {
    const rootfs = folderOf(t, { etc: { keys: {} } })
    const folder = join(rootfs, 'etc/keys')
    const write = (name: string, content: string | Buffer) =>
      writeFileSync(join(folder, name), content)
    const good = makeCertificate(400, '/O=Bank/CN=good')
    const expired = makeCertificate(-1, '/O=Bank/CN=expired')
    const hostile = makeCertificate(
      400,
      '/CN=\u202eevil\u0007"{}, x=/emailAddress=jane@bank.example',
    )
    write('good.crt', good.certificate)
    write('hostile.crt', hostile.certificate)
    write(
      'bundle.pem',
      `comment\r\n${good.key}${good.certificate.replaceAll('\n', '\r\n')}${expired.certificate}`,
    )
    write('only.pem', good.key)
    write('damaged.pem', good.certificate.replace(/[A-Za-z]{20}/, '!'.repeat(20)))
    write('cut.pem', good.certificate.slice(0, -40))
    write('text.pem', 'nothing')
    write('empty.pem', '')
    write('many.pem', good.certificate.repeat(25))
    const der = execFileSync('openssl', [
      'x509',
      '-in',
      join(folder, 'good.crt'),
      '-outform',
      'DER',
    ])
    write('good.der', der)
    write('bad.der', der.subarray(0, 100))
    write(
      'trusted.pem',
      execFileSync('openssl', ['x509', '-in', join(folder, 'good.crt'), '-trustout']),
    )

    const look = (patterns: string[], usual = false) =>
      certificateFiles({ rootfs, patterns }, usual)
    const { rows, troubles } = look(['/etc/keys/*.pem', '/etc/keys/*.crt', '/etc/keys/*.der'])
    const of = (name: string) => rows.filter(({ path }) => path === `/etc/keys/${name}`)
    const shown = execFileSync(
      'openssl',
      [
        'x509',
        '-in',
        join(folder, 'good.crt'),
        '-noout',
        '-serial',
        '-fingerprint',
        '-sha256',
        '-enddate',
      ],
      { encoding: 'utf8' },
    )
    const [first, second] = of('bundle.pem')
    t.match(first, { state: 'ok', index: 0, subject: 'O=Bank, CN=good', issuer: 'O=Bank, CN=good' })
    t.match(shown.toLowerCase(), `serial=${first?.serial}`)
    t.match(shown.replaceAll(':', '').toLowerCase(), `fingerprint=${first?.sha256}`)
    t.equal(Date.parse(first?.notAfter ?? ''), Date.parse(/notAfter=(.*)/.exec(shown)?.[1] ?? ''))
    t.match(second, { state: 'ok', index: 1, subject: 'O=Bank, CN=expired' })
    t.ok(Date.parse(second?.notAfter ?? '') < Date.now())
    t.match(of('good.der'), [{ state: 'ok', sha256: first?.sha256 }])
    t.match(of('trusted.pem'), [{ state: 'ok', sha256: first?.sha256 }])
    t.strictSame(of('only.pem'), [], 'a key alone is no certificate and no fault')
    t.match(of('damaged.pem'), [{ state: 'error', detail: 'a certificate is damaged' }])
    t.match(of('cut.pem'), [{ state: 'error', detail: 'a certificate is cut' }])
    t.match(of('bad.der'), [{ state: 'error' }])
    t.match(of('text.pem'), [{ state: 'error', detail: 'neither PEM nor DER' }])
    t.match(of('empty.pem'), [{ state: 'error' }])
    t.equal(of('many.pem').length, 21)
    t.match(of('many.pem').at(-1), { state: 'error', detail: /holds over 20 certificates/ })
    const [name] = of('hostile.crt')
    t.equal(name?.state, 'ok')
    t.notMatch(JSON.stringify(rows), 'jane@bank')
    t.equal(printable(name?.subject ?? '', 999), name?.subject, 'nothing unprintable in a name')
    const secrets = [good.key, expired.key, hostile.key].map((key) => key.split('\n')[1] ?? '')
    for (const secret of secrets) t.notMatch(JSON.stringify({ rows, troubles }), secret)
    t.match(certificateSection(rows, troubles), { state: 'error' })
    const metrics = certificateMetrics(rows)
    t.equal(metrics.length, rows.filter(({ state }) => state === 'ok').length)
    t.equal(
      new Set(metrics.map(({ labels }) => JSON.stringify(labels))).size,
      metrics.length,
      'no series twice',
    )

    t.match(look(['/etc/keys/only.pem']).troubles, [
      { state: 'error', detail: 'holds no certificate' },
    ])
    t.match(
      look(['/etc/none.pem']).troubles,
      [{ state: 'error', detail: 'it is not there' }],
      'listed and missing',
    )
    t.match(look(['/etc/none.pem'], true), { rows: [], troubles: [] }, 'no usual place must exist')
    const quiet = look(['/none/*.pem'], true)
    t.match(certificateSection(quiet.rows, quiet.troubles), { state: 'absent' })
    const begins = Buffer.from('-----BEGIN CERTIFICATE-----\n'.repeat(37_000))
    t.match(
      certificatesOf(begins).at(-1),
      { state: 'error' },
      'a million bytes of beginnings end soon',
    )
  },
)

t.test('certificates that ports of this host present', { skip: opensslMissing }, async (t) => {
  const { key, certificate } = makeCertificate(5, '/O=Bank/CN=port')
  const listen = async (server: ReturnType<typeof createTcpServer>) => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    t.teardown(() => server.close())
    return `127.0.0.1:${(server.address() as { port: number }).port}`
  }
  const tls = await listen(
    createTlsServer({ key, cert: certificate }, (socket) => socket.on('error', () => {})),
  )
  const silent = await listen(createTcpServer((socket) => socket.on('error', () => {})))
  const rude = await listen(createTcpServer((socket) => socket.end('SIP/2.0 400 Bad\r\n\r\n')))
  const closed = '127.0.0.1:1'
  const rows = await presentedCertificates(
    [tls, silent, rude, closed, '192.0.2.1:443', '[::ffff:0]:1'],
    500,
  )
  t.match(rows, [
    { path: `tls://${tls}`, state: 'ok', index: 0, subject: 'O=Bank, CN=port' },
    { path: `tls://${silent}`, state: 'error', detail: 'no TLS handshake within 0.5 s' },
    { path: `tls://${rude}`, state: 'error' },
    { path: `tls://${closed}`, state: 'error', detail: /ECONNREFUSED/ },
    { path: 'tls://192.0.2.1:443', state: 'error', detail: 'not an address of this host' },
    { state: 'error', detail: 'not an address of this host' },
  ])
})

t.test('licences: hash, date, and every way to have none', async (t) => {
  const rootfs = folderOf(t, {
    etc: {
      good: 'Product: x\nexpires: 2027-01-31\nkey: AAAA\n',
      odd: 'expires: some day\n',
      none: 'no date\n',
      late: `${'x'.repeat(65_536)}\nexpires: 2027-01-31\n`,
      slow: `${'a'.repeat(50)}!\n`,
    },
  })
  const expires = '^expires: (.*)$'
  const found = licences(
    [
      { path: '/etc/good', expires },
      { path: '/etc/odd', expires },
      { path: '/etc/none', expires },
      { path: '/etc/late', expires },
      { path: '/etc/slow', expires: '^(a+)+$' },
      { path: '/etc/missing' },
    ],
    rootfs,
  )
  t.match(found.licences, [
    { state: 'ok', expiresAt: '2027-01-31T00:00:00Z', sha256: /^[0-9a-f]{64}$/ },
    { state: 'error', detail: /not understood/ },
    { state: 'error', detail: /finds no date/ },
    { state: 'error', detail: /finds no date in its first 64 KiB/ },
    { state: 'error', detail: /takes too long/ },
    { state: 'absent' },
  ])
  t.match(found.metrics, [{ labels: { path: '/etc/good' }, value: Date.UTC(2027, 0, 31) / 1000 }])
  t.match(found.section, { state: 'error' })
  t.match(licences([{ path: '/etc/missing' }], rootfs).section, {
    state: 'error',
    detail: /not there/,
  })
  t.match(licences([{ path: '/etc/good' }], rootfs), { section: { state: 'ok' }, metrics: [] })
  t.match(licences([], rootfs).section, { state: 'absent' })
  t.notMatch(JSON.stringify(found), /AAAA|Product/)
})

t.test('programs are only started when nobody but root could have put them there', async (t) => {
  const folder = mkdtempSync('/var/tmp/callward-trust-')
  t.teardown(() => rmSync(folder, { recursive: true }))
  const program = join(folder, 'asterisk')
  writeFileSync(program, '#!/bin/sh\necho Asterisk 1.2.3\n', { mode: 0o755 })
  t.match(whyNotTrusted(program), /\/var\/tmp is writable by everybody/)
  t.equal(whyNotTrusted('/bin/sh'), undefined)
  t.throws(() => whyNotTrusted('/no/such'), { code: 'ENOENT' })
  const kind = { name: 'asterisk', programs: [program], argv: ['-V'], version: /^Asterisk (\S+)/m }
  t.match(await serviceVersions([kind]), {
    section: { name: 'software', state: 'denied', detail: /not asked: .*writable by everybody/ },
    services: [],
    unasked: [{ name: 'asterisk', source: program, state: 'denied' }],
  })
  t.match(await serviceVersions([{ ...kind, programs: ['/no/such'] }]), {
    section: { state: 'absent' },
    unasked: [],
  })
})

t.test(
  'a trusted place: each way it ceases to be one',
  { skip: isRoot ? false : 'needs root' },
  async (t) => {
    // Folders of our own below /, which belongs to root alone.
    const folder = mkdtempSync('/opt/callward-trust-')
    t.teardown(() => rmSync(folder, { recursive: true }))
    chmodSync(folder, 0o755)
    const program = join(folder, 'bin')
    writeFileSync(program, '#!/bin/sh\necho version 7; id -u; id -G; pwd; env\n', { mode: 0o755 })
    const link = join(folder, 'link')
    symlinkSync(program, link)
    t.equal(whyNotTrusted(program), undefined)
    t.equal(whyNotTrusted(link), undefined)
    process.env['CALLWARD_TOKEN'] = 'secret-of-the-collector'
    t.teardown(() => delete process.env['CALLWARD_TOKEN'])
    const { text, code } = await ask(program, [], { milliseconds: 60_000, bytes: 10_000 })
    t.equal(code, 0)
    t.match(text, /^version 7\n65534\n65534\n\/\n/, 'as nobody, in no other group, in /')
    t.notMatch(text, /secret-of-the-collector/)
    chmodSync(program, 0o775)
    t.match(whyNotTrusted(program), /writable by its group/)
    chownSync(program, 65534, 0)
    t.match(whyNotTrusted(program), /does not belong to root/)
    chownSync(program, 0, 0)
    chmodSync(program, 0o757)
    t.match(whyNotTrusted(link), /writable by everybody/)
    chmodSync(program, 0o755)
    chmodSync(folder, 0o1777)
    t.match(whyNotTrusted(program), /trust-\w+ is writable by everybody/)
    chmodSync(folder, 0o755)
    const kind = { name: 'x', argv: [], version: /^version (\d+)$/m }
    const second = join(folder, 'second')
    writeFileSync(second, '#!/bin/sh\necho version 8\n', { mode: 0o755 })
    t.match((await serviceVersions([{ ...kind, programs: [program, link, second] }])).services, [
      { name: 'x-bin', version: '7' },
      { name: 'x-second', version: '8' },
    ])
    const twice = await serviceVersions([
      { ...kind, programs: [program], unproven: true },
      { ...kind, name: 'y', programs: [link] },
    ])
    t.match(twice.services, [{ name: 'x', version: '7' }], 'one program of two names is told once')
    t.equal(twice.services.length, 1)
    t.match(twice.section, { state: 'ok', detail: 'unproven: x' })
  },
)

t.test('a program that does not end, that floods, that cannot start', async (t) => {
  const sh = (script: string, milliseconds: number) =>
    ask('/bin/sh', ['-c', script], { milliseconds, bytes: 1000 })
  t.match(await sh('echo first; sleep 3 & wait', 300), {
    fault: 'no answer within 0.3 s',
    text: 'first\n',
  })
  t.match(await sh('yes', 60_000), { fault: /over .* KiB of output/ })
  t.match(await sh('echo out; echo err >&2; exit 3', 60_000), { code: 3, text: /out/, fault: '' })
  t.match(await sh('kill -9 $$', 60_000), { fault: 'ended by SIGKILL' })
  t.match(await ask('/no/such', [], { milliseconds: 1000, bytes: 1 }), { fault: /ENOENT/ })
})
