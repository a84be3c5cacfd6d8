import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../../server/assets.ts'
import { channelOf, channels } from '../../../server/notify/channels/all.ts'
import type { Delivery, Tools } from '../../../server/notify/channels/channel.ts'
import {
  dingtalkBody,
  dingtalkSign,
  dingtalkUrl,
} from '../../../server/notify/channels/dingtalk.ts'
import { mailOf, messageIdOf, smtpOutcome } from '../../../server/notify/channels/email.ts'
import { feishuBody, feishuSign } from '../../../server/notify/channels/feishu.ts'
import { slackBody } from '../../../server/notify/channels/slack.ts'
import { filled, holds, smsText } from '../../../server/notify/channels/sms.ts'
import { teamsBody } from '../../../server/notify/channels/teams.ts'
import { webhookBody, webhookSignature } from '../../../server/notify/channels/webhook.ts'
import { wecomBody } from '../../../server/notify/channels/wecom.ts'
import { fieldsOf, settingsFaults, withoutSettings } from '../../../server/notify/contact-point.ts'
import type { HttpAnswer, HttpRequest } from '../../../server/notify/http.ts'
import { smsSize } from '../../../server/notify/sms-segments.ts'
import { opensslMissing } from '../../helpers/certificates.ts'

const url = 'https://hub.bank.example/incidents/17'
const delivery = (more: Partial<Delivery['rendered']> = {}): Delivery => ({
  message: { kind: 'firing', title: 'calls fail', severity: 'critical' },
  language: 'en',
  idempotencyKey: 'page-17-anna',
  reference: '0a1b2c3d',
  rendered: {
    title: 'Alert [critical]: calls fail <!channel> @all (pbx-01)',
    text: `Server: pbx-01\nSince: 2026-11-22 17:45:04 +07:00\nOpen: ${url}\nRef: 0a1b2c3d`,
    short: 'ALERT pbx-01: calls fail',
    url,
    faults: [],
    ...more,
  },
})
const now = Date.UTC(2026, 10, 22, 10, 45, 4)

/** A provider that answers once, and what it was sent. */
function provider(answer: HttpAnswer): { tools: Tools; sent: HttpRequest[] } {
  const sent: HttpRequest[] = []
  const tools: Tools = {
    signal: new AbortController().signal,
    now,
    request: async (request) => {
      sent.push(request)
      return answer
    },
    addressesOf: async () => [],
  }
  return { tools, sent }
}

interface Fixture {
  readonly request: unknown
  readonly answers: readonly (HttpAnswer & {
    readonly outcome: string
    readonly reason?: string
    readonly retryAfterMillis?: number
  })[]
}

const bodies = {
  slack: slackBody,
  teams: teamsBody,
  feishu: feishuBody,
  dingtalk: dingtalkBody,
  wecom: wecomBody,
}

for (const [name, body] of Object.entries(bodies))
  t.test(`${name}: request and answers as its documentation has them`, async (t) => {
    const path = join(packageRoot, 'test/fixtures/notify', `${name}.json`)
    const fixture = JSON.parse(readFileSync(path, 'utf8')) as Fixture
    t.same(JSON.parse(JSON.stringify(body(delivery()))), fixture.request)
    for (const { outcome, reason, retryAfterMillis, ...answer } of fixture.answers) {
      const { tools, sent } = provider({ ...answer, headers: answer.headers ?? {} })
      const got = await channelOf(name)!.send(
        delivery(),
        { url: 'https://provider.example/x?key=1' },
        tools,
      )
      const expected = {
        outcome,
        ...(reason === undefined ? {} : { reason }),
        ...(retryAfterMillis === undefined ? {} : { retryAfterMillis }),
      }
      t.match(got, expected, `${answer.status} ${answer.body}`)
      t.equal(got.retryAfterMillis, retryAfterMillis)
      t.equal(sent[0]?.headers['idempotency-key'], 'page-17-anna')
    }
  })

t.test('what is too long is cut, and says so', async (t) => {
  const long = delivery({ title: 'T'.repeat(5000), text: `${'Дом '.repeat(20_000)}` })
  const zh = { ...long, language: 'zh' as const }
  const content = (wecomBody(long) as { text: { content: string } }).text.content
  t.ok(Buffer.byteLength(content) <= 2048)
  t.match(content, /\[cut here, \d+ characters more: open the link\]$/)
  t.match((wecomBody(zh) as { text: { content: string } }).text.content, /还有 \d+ 个字符/)
  t.ok(Buffer.byteLength(JSON.stringify(teamsBody(long))) < 28_000)
  t.ok(Buffer.byteLength(JSON.stringify(feishuBody(long))) < 20_000)
  t.ok(Buffer.byteLength(JSON.stringify(dingtalkBody(long))) < 20_000)
  t.ok(Buffer.byteLength(JSON.stringify(slackBody(long))) < 20_000)
  const blocks = (slackBody(long) as { blocks: { text: { text: string } }[] }).blocks
  t.same(
    blocks.slice(0, 2).map(({ text }) => [...text.text].length),
    [150, 3000],
  )
  for (const text of ['a'.repeat(1000), 'Ж'.repeat(1000), '😀'.repeat(500), '{'.repeat(500)]) {
    const short = smsText(text, 2)
    t.equal(smsSize(short).segments, 2)
    t.match(short, /\.\.\.$/)
  }
  t.equal(smsText('short', 1), 'short')
  const alerts = Array.from({ length: 2000 }, (_, i) => ({ title: `${i} ${'x'.repeat(290)}` }))
  const body = JSON.parse(webhookBody({ ...long, message: { ...long.message, alerts } })) as {
    alertCount: number
    alerts: unknown[]
  }
  t.same([body.alertCount, body.alerts.length], [2000, 50])
})

t.test('signatures are those of openssl', { skip: opensslMissing }, async (t) => {
  const hmac = (key: string, text: string) => {
    const hex = Buffer.from(key).toString('hex')
    const { stdout, stderr } = spawnSync(
      'openssl',
      ['dgst', '-sha256', '-mac', 'HMAC', '-macopt', `hexkey:${hex}`, '-binary'],
      { input: text },
    )
    if (stdout.length !== 32) throw new Error(String(stderr))
    return stdout
  }
  const secret = 'SEC-Пароль-0123456789'
  const body = webhookBody(delivery())
  t.equal(
    webhookSignature(secret, '1795344304', body),
    `v1=${hmac(secret, `1795344304.${body}`).toString('hex')}`,
  )
  t.equal(
    dingtalkSign(secret, '1795344304000'),
    hmac(secret, `1795344304000\n${secret}`).toString('base64'),
  )
  t.equal(feishuSign(secret, '1795344304'), hmac(`1795344304\n${secret}`, '').toString('base64'))

  const signed = new URL(
    dingtalkUrl('https://oapi.dingtalk.com/robot/send?access_token=x', secret, String(now)),
  )
  t.same(Object.fromEntries(signed.searchParams), {
    access_token: 'x',
    timestamp: String(now),
    sign: dingtalkSign(secret, String(now)),
  })
  t.notMatch(signed.search, /sign=[^&]*[+/=]/, 'percent-encoded')
  const { tools, sent } = provider({ status: 200, headers: {}, body: '{"code":0}' })
  await channelOf('feishu')!.send(delivery(), { url: 'https://x.example', secret }, tools)
  const timestamp = String(Math.floor(now / 1000))
  t.match(JSON.parse(sent[0]?.body ?? ''), { timestamp, sign: feishuSign(secret, timestamp) })
})

t.test('an SMS gateway of any kind', async (t) => {
  const sms = channelOf('sms')!
  const settings = {
    to: '+84901234567',
    url: 'https://sms.example/send',
    headers: ['Authorization: Bearer s3cret-of-gateway'],
    body: '{"to":"{to}","text":"{text}","id":"{key}"}',
    success: '"code":*0',
  }
  t.same(settingsFaults(sms, settings), [])
  const tricky = delivery({ short: 'a "quote" \\ and {to} & more' })
  const good = provider({ status: 200, headers: {}, body: '{"code": 0}' })
  t.match(await sms.send(tricky, settings, good.tools), {
    outcome: 'accepted',
    reason: /1 part\(s\), GSM-7/,
  })
  t.same(JSON.parse(good.sent[0]?.body ?? ''), {
    to: '+84901234567',
    text: 'a "quote" \\ and {to} & more',
    id: 'page-17-anna',
  })
  t.match(good.sent[0]?.headers, {
    authorization: 'Bearer s3cret-of-gateway',
    'idempotency-key': 'page-17-anna',
  })
  const bad = provider({ status: 200, headers: {}, body: '{"code": 7,"message":"no credit"}' })
  t.match(await sms.send(tricky, settings, bad.tools), {
    outcome: 'refused',
    reason: /no credit.*success pattern/,
  })
  const get = { to: settings.to, url: 'https://sms.example/?to={to}&msg={text}', method: 'GET' }
  t.same(settingsFaults(sms, get), [])
  const asked = provider({ status: 200, headers: {}, body: '' })
  await sms.send(tricky, get, asked.tools)
  t.same(Object.fromEntries(new URL(asked.sent[0]?.url ?? '').searchParams), {
    to: '+84901234567',
    msg: 'a "quote" \\ and {to} & more',
  })
  t.equal(
    filled('{text}{nosuch}', { to: '', text: '$&$1', key: '', reference: '' }, (x) => x),
    '$&$1{nosuch}',
  )
  t.ok(holds('a b c', 'a*c') && !holds('a b', 'a*c') && holds('', '*') && !holds('ca', 'c*c'))
  for (const [change, fault] of [
    [{ to: '0901' }, /^to: does not look right\. Example: .*\+84/],
    [{ headers: ['Host: x'] }, /Host is set by the hub/],
    [{ headers: ['X: a\r\nY: b'] }, /headers/],
    [{ headers: ['nonsense'] }, /not "Name: value"/],
    [{ body: '{"to":"{to}"}' }, /\{text\}/],
    [{ body: '{"text":"{text}"}' }, /\{to\}/],
    [{ method: 'GET' }, /GET has none/],
    [{ url: 'https://{to}.example/' }, /host must not depend|no address/],
    [{ url: 'https://user:pw@sms.example/' }, /user name and password/],
    [{ url: 'ftp://sms.example/' }, /^url: does not look right/],
    [{ nosuch: 1 }, /nosuch: unknown for sms; known are to, url/],
  ] as const)
    t.match(settingsFaults(sms, { ...settings, ...change }).join(), fault, JSON.stringify(change))
})

t.test('a mail’s headers are fixed and cannot be added to', async (t) => {
  const email = channelOf('email')!
  const settings = {
    to: 'anna@bank.example',
    from: 'callward@bank.example',
    host: 'mail.bank.example',
  }
  t.same(settingsFaults(email, settings), [])
  for (const to of [
    'anna',
    'a@b\r\nBcc: eve@evil.example',
    'a@b.example, eve@evil.example',
    'Anna <a@b.example>',
    '"a b"@c.example',
    'a@b.example\n',
    '@b.example',
    'a@-b',
  ])
    t.match(settingsFaults(email, { ...settings, to }).join(), /^to: /, JSON.stringify(to))
  t.match(settingsFaults(email, { ...settings, host: 'a b' }).join(), /^host/)
  t.match(settingsFaults(email, { ...settings, user: 'x' }).join(), /go together/)
  t.match(
    settingsFaults(email, { ...settings, user: 'x', password: 'y', security: 'none' }).join(),
    /not sent without TLS/,
  )
  t.match(settingsFaults(email, {}).join(), /to|is needed/)

  const mail = mailOf(delivery(), settings, now)
  t.match(mail, {
    subject: /calls fail/,
    messageId: messageIdOf('page-17-anna', settings.from),
    headers: { 'Auto-Submitted': 'auto-generated', Importance: 'high' },
  })
  t.match(mail.messageId, /^<[0-9a-f]{40}@bank\.example>$/)
  t.throws(
    () => mailOf(delivery({ title: 'a\r\nBcc: eve@evil.example' }), settings, now),
    /line end inside a header/,
  )
  t.throws(
    () => mailOf(delivery(), { ...settings, to: 'a@b\nX: y' }, now),
    /line end inside a header/,
  )
  t.match(
    await email.send(
      delivery({ title: 'a\nb' }),
      settings,
      provider({ status: 0, headers: {}, body: '' }).tools,
    ),
    { outcome: 'refused', reason: /line end inside a header/ },
  )

  const said = (fields: object) => smtpOutcome(Object.assign(new Error('failed'), fields))
  t.match(said({ responseCode: 451, response: '451 4.7.1 Greylisted' }), {
    outcome: 'retry',
    retryAfterMillis: 60_000,
  })
  t.match(said({ responseCode: 421 }), { outcome: 'retry' })
  t.match(said({ responseCode: 550, response: '550 5.1.1 unknown' }), {
    outcome: 'refused',
    reason: '550 5.1.1 unknown',
  })
  t.match(said({ code: 'EAUTH', responseCode: 535 }), { outcome: 'refused' })
  t.match(said({ code: 'EAUTH', responseCode: 454 }), { outcome: 'retry' })
  t.match(said({ code: 'ETLS' }), { outcome: 'refused', reason: /no TLS/ })
  t.match(said({ code: 'ETIMEDOUT' }), { outcome: 'retry' })
  t.match(said({ code: 'ESOCKET', message: 'self-signed certificate' }), {
    outcome: 'refused',
    reason: /not trusted/,
  })
})

t.test('every channel is described, and repeats nothing of its settings', async (t) => {
  for (const channel of channels) {
    const fields = fieldsOf(channel)
    for (const key of [...channel.secrets, ...channel.personal])
      t.ok(
        fields.some((field) => field.key === key),
        `${channel.name} ${key}`,
      )
    t.match(settingsFaults(channel, { bogus: 1 }).join(), /bogus: unknown/, channel.name)
    t.ok(channel.limits.length > 0)
  }
  t.same(
    fieldsOf(channelOf('email')!)
      .map(({ key, input }) => `${key} ${input}`)
      .join(),
    'to line,from line,host line,port number,security choice,user line,password line,authority text',
  )
  const settings = {
    to: '+84901234567',
    url: 'https://hooks.slack.com/services/T000/B000/abcdefghijklmnop',
    user: 'callward',
    headers: ['X-Key: topsecretkey1'],
  }
  const text =
    'no to https://hooks.slack.com/services/T000/B000/abcdefghijklmnop or abcdefghijklmnop for +84901234567, 84 901 234 567, anna@bank.example, callward, X-Key: topsecretkey1 (550 5.1.1)'
  t.equal(
    withoutSettings(text, settings),
    'no to [hidden] or [hidden] for [hidden], [hidden], [hidden], [hidden], [hidden] (550 5.1.1)',
  )
})
