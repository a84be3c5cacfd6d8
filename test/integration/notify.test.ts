import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { messageIdOf } from '../../server/notify/channels/email.ts'
import { Guard, parseAllowed } from '../../server/notify/guard.ts'
import { guardedRequest } from '../../server/notify/http.ts'
import { NotifyLog } from '../../server/notify/log-store.ts'
import { opensslMissing } from '../helpers/certificates.ts'
import { folderOf } from '../helpers/folder.ts'
import { until } from '../helpers/hub.ts'
import { NotifyDesk, ownCertificate, receiver, relay } from './notify-desk.ts'

const skip = opensslMissing

t.test('e-mail over real SMTP', { skip }, async (t) => {
  const folder = folderOf(t, {})
  const pem = ownCertificate(folder)
  const desk = await NotifyDesk.start(t, folder)
  const base = {
    to: 'anna@bank.example',
    from: 'callward@bank.example',
    host: '127.0.0.1',
    authority: pem.cert,
  }

  const seen: string[] = []
  const tls = await relay(t, {
    ...pem,
    secure: true,
    authOptional: false,
    onAuth({ username, password }, _session, done) {
      seen.push(`${username}:${password}`)
      if (password === 'right') done(null, { user: username })
      else done(new Error('no'))
    },
  })
  const signedIn = { ...base, port: tls.port, security: 'tls', user: 'callward', password: 'right' }
  const point = await desk.point('anna', 'email', signedIn, {
    language: 'ru',
    timeZone: 'Asia/Ho_Chi_Minh',
  })
  t.match(await desk.send(point, 'page-1', { title: 'звонки\r\nBcc: eve@evil.example' }), {
    outcome: 'accepted',
    reason: /^250/,
  })
  await desk.send(point, 'page-1')
  t.same(
    tls.mails.map((mail) => /^Message-ID: (.*?)\r?$/im.exec(mail)?.[1]),
    Array(2).fill(messageIdOf('page-1', base.from)),
    'a repeat is the same mail',
  )
  t.notMatch(tls.mails[0], /^Bcc:/im)
  t.match(tls.mails[0], /^Auto-Submitted: auto-generated/im)
  t.match(tls.mails[0], /^Subject: =\?UTF-8\?/im)
  t.same(tls.tls, [true, true])
  const wrong = await desk.point('anna', 'email', { ...signedIn, password: 'wrong' })
  t.match(await desk.send(wrong, 'k'), { outcome: 'refused', reason: /535|[Aa]uth/ })
  t.same(seen.at(-1), 'callward:wrong')

  const starttls = await relay(t, { ...pem, secure: false })
  t.match(
    await desk.send(await desk.point('anna', 'email', { ...base, port: starttls.port }), 'k'),
    { outcome: 'accepted' },
  )
  t.same(starttls.tls, [true], 'by STARTTLS')
  const named = await desk.point('anna', 'email', {
    ...base,
    host: 'localhost',
    port: starttls.port,
  })
  t.match(await desk.send(named, 'k'), { outcome: 'accepted' }, 'by name, checked against the name')
  const { authority: _none, ...unknown } = base
  t.match(
    await desk.send(await desk.point('anna', 'email', { ...unknown, port: starttls.port }), 'k'),
    { outcome: 'refused', reason: /certificate is not trusted/ },
  )
  const bare = await relay(t, { disabledCommands: ['STARTTLS'] })
  t.match(
    await desk.send(await desk.point('anna', 'email', { ...base, port: bare.port }), 'k'),
    { outcome: 'refused', reason: /TLS/i },
    'never in the clear unless told',
  )
  t.match(
    await desk.send(
      await desk.point('anna', 'email', { ...base, port: bare.port, security: 'none' }),
      'k',
    ),
    { outcome: 'accepted' },
  )

  const answering = async (code: number, text: string) => {
    const { port } = await relay(t, {
      ...pem,
      onRcptTo: (_to, _session, done) =>
        done(Object.assign(new Error(text), { responseCode: code })),
    })
    return desk.send(await desk.point('ben', 'email', { ...base, port }), 'k')
  }
  t.match(await answering(451, '4.7.1 greylisted, come back'), {
    outcome: 'retry',
    reason: /greylisted/,
    retryAfterMillis: 60_000,
  })
  const gone = await answering(550, '5.1.1 anna@bank.example unknown')
  t.match(
    gone,
    { outcome: 'refused', reason: /^550 5\.1\.1 \[hidden\] unknown/ },
    'without the address',
  )
  const hung = await relay(t, { ...pem, onMailFrom: () => undefined })
  const stop = new AbortController()
  const waiting = desk.send(
    await desk.point('ben', 'email', { ...base, port: hung.port }),
    'k',
    {},
    stop.signal,
  )
  stop.abort()
  t.match(await waiting, { outcome: 'retry', reason: /whether it arrived is not known/ })
  t.match(await desk.send(await desk.point('ben', 'email', { ...base, port: 1 }), 'k'), {
    outcome: 'retry',
    reason: /connection/,
  })

  // What the hub would not make is not taken from its callers either.
  for (const to of [
    'anna@bank.example\r\nBcc: eve@evil.example',
    'anna@bank.example,eve@evil.example',
  ])
    t.match(
      await desk.as('anna', 'POST', '/contact-points', {
        channel: 'email',
        label: 'x',
        settings: { ...base, to },
      }),
      { status: 400, body: { error: { message: /to: does not look right/ } } },
    )
})

t.test('webhooks: signed, guarded, and a black hole holds up nobody', { skip }, async (t) => {
  const folder = folderOf(t, {})
  const pem = ownCertificate(folder)
  const desk = await NotifyDesk.start(t, folder)
  const secret = 'a-secret-of-32-characters-0123456'
  const good = await receiver(t, (_heard, response) => response.writeHead(204).end(), { pem })
  const point = await desk.point('anna', 'webhook', { url: good.url, secret, authority: pem.cert })
  t.match(await desk.send(point, 'page-1'), { outcome: 'accepted', reason: 'HTTP 204' })
  const [first] = good.heard
  const header = (name: string) => String(first?.request.headers[name])
  const { stdout } = spawnSync('openssl', ['dgst', '-sha256', '-hmac', secret, '-r'], {
    input: `${header('callward-timestamp')}.${first?.body}`,
    encoding: 'utf8',
  })
  t.equal(header('callward-signature'), `v1=${stdout.split(' ')[0]}`, 'openssl agrees')
  t.ok(Math.abs(Number(header('callward-timestamp')) * 1000 - desk.clock.now()) < 60_000)
  t.equal(header('idempotency-key'), 'page-1')
  t.match(JSON.parse(first?.body ?? ''), {
    version: 1,
    id: 'page-1',
    kind: 'firing',
    title: 'calls fail',
    text: { title: 'Alert [critical]: calls fail (pbx-01)' },
  })
  t.match(await desk.send(await desk.point('anna', 'webhook', { url: good.url, secret }), 'k'), {
    outcome: 'refused',
    reason: /certificate is not trusted/,
  })

  const to = async (answer: Parameters<typeof receiver>[1]) => {
    const { url, heard } = await receiver(t, answer)
    const outcome = await desk.send(await desk.point('ben', 'webhook', { url, secret }), 'k')
    return { outcome, count: heard.length }
  }
  const elsewhere = await to((_heard, response) =>
    response.writeHead(307, { location: good.url }).end(),
  )
  t.match(elsewhere, {
    outcome: { outcome: 'refused', reason: /redirects are not followed/ },
    count: 1,
  })
  t.equal(good.heard.length, 1, 'nothing came by the redirect')
  t.match(
    (await to((_heard, response) => response.writeHead(503, { 'retry-after': '7' }).end())).outcome,
    { outcome: 'retry', retryAfterMillis: 7000 },
  )
  t.match((await to((_heard, response) => response.writeHead(410).end('gone'))).outcome, {
    outcome: 'refused',
    reason: 'HTTP 410: gone',
  })
  t.match((await to((_heard, response) => response.destroy())).outcome, {
    outcome: 'retry',
    reason: /cut|ECONN/,
  })
  const flood = await to((_heard, response) => {
    response.writeHead(200)
    const more = () => {
      while (!response.destroyed && response.write('x'.repeat(65_536)));
    }
    response.on('drain', more)
    more()
  })
  t.match(flood.outcome, { outcome: 'accepted' }, 'an endless answer is not read to its end')

  const hole = await receiver(t, () => undefined)
  const silent = await desk.point('ben', 'webhook', { url: hole.url, secret })
  const stop = new AbortController()
  const stuck = Array.from({ length: 12 }, (_, i) =>
    desk.send(silent, `hung-${i}`, {}, stop.signal),
  )
  await until('the black hole is full', () => hole.heard.length === 4)
  t.match(await desk.send(point, 'page-2'), { outcome: 'accepted' }, 'others go on')
  stop.abort()
  t.same(
    (await Promise.all(stuck)).map(({ outcome }) => outcome),
    Array(12).fill('retry'),
  )
  t.equal(hole.heard.length, 4, 'the rest never left')

  const refused = async (url: string, reason: RegExp) => {
    const id = await desk.point('ben', 'webhook', { url, secret })
    t.match(await desk.send(id, 'k'), { outcome: 'refused', reason }, url)
    await desk.as('ben', 'DELETE', `/contact-points/${id}`)
  }
  for (const [url, what] of [
    ['http://127.0.0.3/', /127\.0\.0\.3 is loopback/],
    ['http://127.1.0.3/', /loopback/],
    ['http://2130706435/', /127\.0\.0\.3 is loopback/],
    ['http://0x7f.3/', /loopback/],
    ['http://0177.0.0.3/', /loopback/],
    ['http://0/', /this machine/],
    ['http://169.254.169.254/latest/meta-data/', /metadata/],
    ['http://10.1.2.3/', /private/],
    ['http://100.64.1.1/', /CGNAT/],
    ['http://224.0.0.251/', /multicast/],
    ['http://[::ffff:127.0.0.1]/', /inside IPv6/],
    ['http://[fe80::1]/', /link-local/],
    ['http://[fd00::1]/', /private/],
    ['http://[64:ff9b::7f00:1]/', /inside IPv6/],
    ['http://8.8.8.8/', /use https/],
  ] as const)
    await refused(url, what)
  t.match(
    await desk.as('ben', 'POST', '/contact-points', {
      channel: 'webhook',
      label: 'x',
      settings: { url: 'file:///etc/passwd', secret },
    }),
    { status: 400 },
  )

  const answers = [['127.0.0.2'], ['127.0.0.1']]
  const pinned = await receiver(t, (_heard, response) => response.end('two'), {
    address: '127.0.0.2',
  })
  const guard = new Guard([parseAllowed('127.0.0.2')!], async () => answers.shift() ?? [])
  const request = {
    method: 'POST' as const,
    url: `http://rebind.example:${pinned.port}/`,
    headers: {},
    body: '{}',
  }
  const { signal } = new AbortController()
  t.match(
    await guardedRequest(guard, request, signal),
    { status: 200, body: 'two' },
    'to the checked address',
  )
  t.equal(pinned.heard[0]?.request.headers.host, `rebind.example:${pinned.port}`)
  await t.rejects(
    guardedRequest(guard, request, signal),
    /rebind\.example has the address 127\.0\.0\.1, which is loopback/,
  )
  t.equal(answers.length, 0, 'each request resolves once')
})

t.test('contact points over the API', { skip }, async (t) => {
  const folder = folderOf(t, {})
  const desk = await NotifyDesk.start(t, folder)
  const { url, heard } = await receiver(t, (_heard, response) => response.end('ok'))
  const secretUrl = `${url}/T000/SECRETTOKENOFSLACK`
  const made = await desk.as('anna', 'POST', '/contact-points', {
    channel: 'slack',
    label: 'Voice group',
    language: 'vi',
    timeZone: 'Asia/Ho_Chi_Minh',
    settings: { url: secretUrl },
  })
  t.match(made, {
    status: 201,
    body: {
      contactPoint: {
        channel: 'slack',
        owner: { kind: 'person', name: 'anna' },
        settings: {},
        secrets: ['url'],
        testedAt: null,
        mine: true,
      },
    },
  })
  const { id } = made.body.contactPoint
  t.notMatch(JSON.stringify(made.body), /SECRETTOKEN/)

  t.match(await desk.as('anna', 'POST', `/contact-points/${id}/test`), {
    status: 200,
    body: { outcome: 'accepted', reason: 'ok' },
  })
  t.match(heard[0]?.body, /Tin nhắn thử: Callward/)
  const points = async (who: string) =>
    (await desk.as(who, 'GET', '/contact-points')).body.contactPoints
  t.match(await points('anna'), [{ id, testOutcome: 'accepted', testedAt: /Z$/, disabledAt: null }])
  t.same(await points('ben'), [], 'what is another person’s is not seen')
  t.match(await points('vera'), [{ id, mine: false, settings: {} }])
  for (const [who, status] of [
    ['ben', 404],
    ['vera', 403],
  ] as const) {
    t.equal((await desk.as(who, 'POST', `/contact-points/${id}/test`)).status, status)
    t.equal(
      (await desk.as(who, 'POST', `/contact-points/${id}`, { disabled: true })).status,
      status,
    )
    t.equal((await desk.as(who, 'DELETE', `/contact-points/${id}`)).status, status)
  }
  const create = (who: string, body: object) =>
    desk.as(who, 'POST', '/contact-points', {
      label: 'x',
      channel: 'slack',
      settings: { url },
      ...body,
    })
  const adminId = desk.app.access.adminId
  t.match(await create('ben', { owner: { kind: 'shared' } }), { status: 403 })
  t.match(await create('ben', { owner: { kind: 'person', id: adminId } }), { status: 403 })
  t.match(await create('admin', { owner: { kind: 'person', id: 'nobody' } }), { status: 422 })
  t.match(await create('admin', { owner: { kind: 'team' } }), { status: 400 })
  t.match(await create('ben', { channel: 'pigeon' }), { status: 400 })
  t.match(await create('ben', { timeZone: 'Mars/Olympus' }), {
    status: 400,
    body: { error: { message: /no time zone.*Asia/ } },
  })
  t.match(await create('ben', { label: 'a\nb' }), { status: 400 })
  t.match(await create('ben', { settings: { url, nosuch: 1 } }), {
    status: 400,
    body: { error: { message: /nosuch: unknown for slack; known are url/ } },
  })
  t.match(await create('ben', { settings: {} }), {
    status: 400,
    body: { error: { message: /url: is needed\. Example/ } },
  })
  t.match(await create('ben', { channel: 'live', settings: { url } }), { status: 400 })

  t.match(
    await desk.as('anna', 'POST', `/contact-points/${id}`, { settings: { url: `${url}/other` } }),
    { status: 200, body: { contactPoint: { testedAt: null } } },
    'other settings are untested',
  )
  t.match(await desk.as('anna', 'POST', `/contact-points/${id}`, { disabled: true }), {
    body: { contactPoint: { disabledAt: /Z$/ } },
  })
  t.match(await desk.send(id, 'k'), { outcome: 'refused', reason: /disabled/ })

  t.match(await create('anna', { channel: 'email', settings: { to: 'anna@bank.example' } }), {
    status: 400,
    body: { error: { message: /from.*shared contact point of email; then to is enough/ } },
  })
  const lender = await desk.point(
    'admin',
    'sms',
    {
      to: '+84900000000',
      url: `${url}?to={to}&text={text}`,
      method: 'GET',
      headers: ['X-Key: KEYOFGATEWAY'],
    },
    { owner: { kind: 'shared' } },
  )
  const borrowed = await desk.point('ben', 'sms', { to: '+84901234567' })
  t.match(await points('ben'), [
    { id: lender, mine: false, settings: {} },
    { id: borrowed, lent: true, settings: { to: '+84901234567' } },
  ])
  t.match(await desk.send(borrowed, 'k'), { outcome: 'accepted' })
  t.match(heard.at(-1)?.request.url, /to=%2B84901234567&text=ALERT%20pbx-01/)
  t.match(
    await create('ben', {
      channel: 'sms',
      settings: { to: '+84901234567', url: 'https://evil.example/{to}{text}' },
    }),
    { status: 201 },
    'one’s own gateway borrows nothing',
  )
  t.notMatch((await desk.as('ben', 'GET', '/contact-points')).body, /KEYOFGATEWAY/)
  t.match(
    (await desk.as('ben', 'GET', '/contact-points/channels')).body.channels.find(
      (one: { name: string }) => one.name === 'sms',
    ),
    { lends: true, personal: ['to'] },
  )

  await desk.app.notify.settled()
  const attempts = await desk.as('ben', 'GET', `/notify/attempts?contactPoint=${borrowed}`)
  t.match(attempts.body.attempts, [
    { channel: 'sms', kind: 'firing', key: 'k', outcome: 'accepted' },
  ])
  t.equal((await desk.as('ben', 'GET', '/notify/attempts')).status, 400)
  t.equal((await desk.as('ben', 'GET', `/notify/attempts?contactPoint=${id}`)).status, 404)
  t.equal((await desk.as('vera', 'GET', '/notify/attempts')).body.attempts.length, 3)
  const metrics = await desk.app.inject({
    url: '/metrics',
    headers: { authorization: `Bearer ${desk.tokens['admin']}` },
  })
  t.match(metrics.body, /callward_notify_attempts_total\{channel="sms",outcome="accepted"\} 1/)
  t.match(metrics.body, /callward_notify_duration_seconds_count\{channel="slack"\} 2/)
  // In a label's value: a figure may have such digits.
  t.notMatch(metrics.body, /"[^"\n]*849\d{8}[^"\n]*"|SECRETTOKEN/)

  t.match(desk.app.notify.contactPointsOf({ kind: 'person', id: adminId }), [
    { id: `live:${adminId}`, channel: 'live' },
  ])
  t.match(
    await desk.app.notify.send({
      contactPoint: { id: 'nosuch' },
      idempotencyKey: 'k',
      message: { kind: 'test', title: 'x' },
    }),
    { outcome: 'refused' },
  )
  const live = await desk.point('anna', 'live', {})
  t.match(await desk.send(live, 'k'), { outcome: 'refused', reason: /own push/ })
  t.match(
    await desk.send(borrowed, 'k', { title: Symbol('broken') }),
    { outcome: 'retry', reason: /internal fault/ },
    'never throws',
  )

  t.equal((await desk.as('admin', 'DELETE', `/contact-points/${lender}`)).status, 204)
  t.match(await desk.send(borrowed, 'k'), { outcome: 'refused', reason: /no shared contact point/ })

  await desk.app.close()
  const database = ['records.sqlite', 'records.sqlite-wal']
    .map((name) => {
      try {
        return readFileSync(join(desk.data, 'hub', name), 'latin1')
      } catch {
        return ''
      }
    })
    .join('')
  t.ok(database.includes('Voice group'))
  for (const word of ['SECRETTOKEN', 'KEYOFGATEWAY', '+84901234567'])
    t.notOk(database.includes(word), `${word} is nowhere in the database`)

  const again = await NotifyDesk.start(t, folder)
  t.match((await again.as('admin', 'GET', '/contact-points')).body.contactPoints.length, 4)
  t.match(await again.send(borrowed, 'k'), { outcome: 'refused', reason: /no shared/ })
  await again.app.close()
  rmSync(join(desk.data, 'hub/notify.key'))
  const lost = await NotifyDesk.start(t, folder)
  t.match(await lost.send(borrowed, 'k'), {
    outcome: 'refused',
    reason: /sealed with another key.*notify\.key/,
  })
})

t.test('limits, retention, and the alarm of a channel that fails', { skip }, async (t) => {
  const desk = await NotifyDesk.start(t, folderOf(t, {}), {
    notifyLogDays: 30,
    ruleIntervalSeconds: 1,
  })
  let works = false
  const { url, heard } = await receiver(t, (_heard, response) =>
    response.end(
      works
        ? '{"errcode":0,"errmsg":"ok"}'
        : '{"errcode":310000,"errmsg":"keywords not in content"}',
    ),
  )
  // Of nobody in particular: the alarm pages people, and must not come by the very robot that is counted.
  const owner = { kind: 'shared' }
  const point = await desk.point('admin', 'dingtalk', { url, secret: 'SECx' }, { owner })
  for (const key of ['a', 'b', 'c'])
    t.match(await desk.send(point, key), {
      outcome: 'refused',
      reason: 'code 310000: keywords not in content',
    })
  const firing = () =>
    desk.app.rules
      .activeAlerts()
      .filter(({ rule, state }) => rule === 'NotifyChannelFailing' && state === 'firing')
      .map(({ labels }) => labels['channel'])
  await until('the alarm', () => String(firing()) === 'dingtalk')
  works = true
  for (let i = 0; i < 17; i++) t.match(await desk.send(point, `d${i}`), { outcome: 'accepted' })
  t.match(await desk.send(point, 'e'), { outcome: 'retry', reason: /held back/ })
  const twin = await desk.point('admin', 'dingtalk', { url, secret: 'SECx' }, { owner })
  t.match(
    await desk.send(twin, 'f'),
    { outcome: 'retry' },
    'the provider counts by robot, whoever sends',
  )
  t.equal(heard.length, 20)
  // In the first minute after its start a hub ends no alert of which it has no news.
  desk.clock.ahead += 61_000
  t.match(await desk.send(point, 'e'), { outcome: 'accepted' })
  await until('no alarm', () => firing().length === 0)

  await desk.app.notify.settled()
  const rows = async () =>
    (await desk.app.records.read.selectFrom('notify_log').selectAll().execute()).length
  t.equal(await rows(), 23)
  const month = { now: () => desk.clock.now() + 31 * 86_400_000, monotonic: desk.clock.monotonic }
  const keeping = (days: number) =>
    new NotifyLog(desk.app.records, month, days, (err) => void t.fail(String(err)))
  await keeping(32).sweep()
  await keeping(0).sweep()
  t.equal(await rows(), 23)
  await keeping(30).sweep()
  t.equal(await rows(), 0)
})

t.test('own templates are checked at the start; a preview shows them', { skip }, async (t) => {
  const templates = join(folderOf(t, { templates: {}, hub: {} }), 'templates')
  let starts = 0
  const folder = () => {
    const fresh = join(templates, `../hub/${starts++}`)
    mkdirSync(fresh)
    return fresh
  }
  writeFileSync(join(templates, 'firing.title.liquid'), "{% render 'firing.title' %}")
  const hub = { notifyTemplatesFolder: templates }
  await t.rejects(
    NotifyDesk.start(t, folder(), hub),
    /firing\.title\.liquid:1: a template loop: firing\.title -> firing\.title/,
  )
  writeFileSync(join(templates, 'firing.title.liquid'), 'x'.repeat(20_000))
  await t.rejects(
    NotifyDesk.start(t, folder(), hub),
    /firing\.title\.liquid: it has 20000 characters; 16384 may be/,
  )
  await t.rejects(
    NotifyDesk.start(t, folder(), { notifyAllow: ['mail.bank.example'] }),
    /notifyAllow: "mail\.bank\.example" is no address.*\n.*Example/,
  )
  writeFileSync(join(templates, 'firing.title.liquid'), 'OURS {{ title }}')
  const desk = await NotifyDesk.start(t, folder(), hub)
  const preview = (who: string, body: object) => desk.as(who, 'POST', '/notify/preview', body)
  t.match(await preview('anna', { kind: 'firing', language: 'zh', timeZone: 'Asia/Shanghai' }), {
    status: 200,
    body: {
      title: /^OURS pbx-01/,
      text: /服务器: pbx-01\n[\s\S]*\+08:00/,
      sms: { encoding: 'UCS-2', segments: Number },
      faults: [],
    },
  })
  t.match(await preview('anna', { kind: 'firing', template: 'x' }), { status: 403 })
  t.match(
    await preview('admin', { kind: 'resolved', template: '{{ words.kind[kind] }}', form: 'title' }),
    { body: { title: 'Resolved' } },
  )
  t.match(
    await preview('admin', {
      kind: 'resolved',
      template: '\n{% for i in (1..99999999) %}x{% endfor %}',
    }),
    { status: 422, body: { error: { message: /preview\.liquid:2: it makes more/ } } },
  )
  t.match(await preview('anna', { kind: 'firing', timeZone: 'Mars/Olympus' }), { status: 400 })
})
