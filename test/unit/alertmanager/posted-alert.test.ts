import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { fingerprint } from '../../../alerts/alert.ts'
import {
  afterPost,
  afterSilence,
  type ExternalAlert,
  resolvedAt,
} from '../../../server/alertmanager/external-alert.ts'
import {
  readGrafanaWebhook,
  webhookLastsMillis,
} from '../../../server/alertmanager/grafana-webhook.ts'
import {
  alertLimits,
  PostFault,
  readPostedAlert,
  readTime,
} from '../../../server/alertmanager/posted-alert.ts'
import { packageRoot } from '../../../server/assets.ts'
import { CallwardError } from '../../../server/errors.ts'
import fc from '../../helpers/property.ts'

const now = Date.UTC(2026, 0, 5, 8)
const minute = 60_000
const at = (shift: number) => new Date(now + shift).toISOString()
const labels = { alertname: 'TrunkDown', severity: 'page', instance: 'sbc-1' }

t.test('an alert is read as its senders write it', async (t) => {
  const read = readPostedAlert(
    {
      labels: { ...labels, empty: '' },
      annotations: { summary: 'Trunk is down', none: '', count: 3, nested: { a: 1 } },
      startsAt: '2026-01-05T07:59:00.123456789Z',
      endsAt: '2026-01-05T11:04:00.5+03:00',
      generatorURL: 'http://prometheus:9090/graph?g0.expr=up',
    },
    now,
  )
  t.same(read.labels, labels, 'an empty label is none')
  t.equal(read.fingerprint, fingerprint(labels))
  t.same(read.annotations, { summary: 'Trunk is down', count: '3' })
  t.equal(read.startsAt, Date.UTC(2026, 0, 5, 7, 59, 0, 123), 'vmalert writes nanoseconds')
  t.equal(read.endsAt, Date.UTC(2026, 0, 5, 8, 4, 0, 500))
  t.equal(read.generatorUrl, 'http://prometheus:9090/graph?g0.expr=up')
  const bare = readPostedAlert(
    { labels, startsAt: '0001-01-01T00:00:00.000Z', generatorURL: 'javascript:alert(1)' },
    now,
  )
  t.equal(bare.startsAt, undefined, 'Go’s zero time is none')
  t.equal(bare.generatorUrl, '', 'only web addresses are shown')
})

t.test('what cannot be an alert is refused with what to do', async (t) => {
  const refused = (given: unknown) => {
    try {
      readPostedAlert(given, now)
      return 'taken'
    } catch (error) {
      if (!(error instanceof PostFault)) throw error
      return error.message
    }
  }
  const long = 'x'.repeat(alertLimits.labelValueLength + 1)
  const many = Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`l${i}`, 'x']))
  for (const [given, text] of [
    [null, 'an alert must be an object'],
    [[], 'an alert must be an object'],
    [{}, 'labels: must be an object'],
    [{ labels: {} }, 'labels: at least one'],
    [{ labels: { alertname: '' } }, 'labels: at least one'],
    [{ labels: { alertname: 7 } }, '"alertname" must be a text'],
    [{ labels: { 'a-b': 'x' } }, '"a-b" is no label name'],
    [{ labels: { a: long } }, 'make it an annotation'],
    [{ labels: { a: 'x\0' } }, 'NUL'],
    [{ labels: many }, 'more than 64'],
    [{ labels, startsAt: 'yesterday' }, 'startsAt: not a time'],
    [{ labels, startsAt: 1_767_600_000 }, 'startsAt: not a time'],
    [{ labels, startsAt: '2026-13-41T00:00:00Z' }, 'no such day'],
    [{ labels, startsAt: at(2 * 86_400_000) }, 'set the clock of the sender'],
    [{ labels, endsAt: '9999-12-31T23:59:59Z' }, 'more than 366 days ahead'],
    [{ labels, startsAt: at(0), endsAt: at(-1) }, 'before startsAt'],
  ] as const)
    t.match(refused(given), text)
  const texts = Object.fromEntries(Array.from({ length: 99 }, (_, i) => [`a${i}`, long.repeat(5)]))
  const cut = readPostedAlert({ labels, annotations: texts }, now).annotations
  t.equal(Object.keys(cut).length, alertLimits.annotations, 'too many texts hide no alert')
  t.ok(Object.values(cut).every((text) => text.length === alertLimits.annotationLength))
})

t.test('whatever is posted is taken or refused in words, and can be stored', async () => {
  fc.assert(
    fc.property(
      fc.record(
        {
          labels: fc.oneof(
            fc.anything(),
            fc.dictionary(fc.string(), fc.string({ unit: 'binary' })),
          ),
          annotations: fc.oneof(
            fc.anything(),
            fc.dictionary(fc.string(), fc.string({ unit: 'binary' })),
          ),
          startsAt: fc.oneof(fc.anything(), fc.string()),
          endsAt: fc.anything(),
          generatorURL: fc.oneof(fc.anything(), fc.webUrl()),
        },
        { requiredKeys: [] },
      ),
      (given) => {
        try {
          const { labels, annotations } = readPostedAlert(given, now)
          const texts = [...Object.values(labels), ...Object.values(annotations)]
          return texts.every((text) => !/[\0\p{Surrogate}]/u.test(text))
        } catch (error) {
          return error instanceof PostFault && error.message.length > 5
        }
      },
    ),
  )
  fc.assert(
    fc.property(
      fc.date({ min: new Date(1), max: new Date('9999-01-01'), noInvalidDate: true }),
      (date) => readTime(date.toISOString(), 'x') === date.getTime(),
    ),
  )
})

const context = {
  newId: () => 'life-1',
  resolveTimeoutMillis: 5 * minute,
  by: 'prometheus',
  endedAt: undefined,
}
const post = (more: object = {}, when = now) => readPostedAlert({ labels, ...more }, when)

function firstLife(more: object = {}): ExternalAlert {
  const effect = afterPost(undefined, post(more), now, context)
  if (effect.kind !== 'fired') throw new Error(effect.kind)
  return effect.external
}

t.test('a label set lives until its end has passed', async (t) => {
  const first = firstLife({ startsAt: at(-minute), annotations: { summary: 'down' } })
  t.match(first, {
    alert: {
      id: 'life-1',
      rule: 'TrunkDown',
      group: 'external',
      severity: 'critical',
      instance: 'sbc-1',
      state: 'firing',
      activeAt: now - minute,
      firedAt: now,
    },
    endsAt: now + 5 * minute,
    explicit: false,
  })
  const again = afterPost(first, post({ annotations: { summary: 'down' } }), now + minute, context)
  t.match(again, { kind: 'renewed', text: false, external: { endsAt: now + 6 * minute } })
  const other = afterPost(first, post({ annotations: { summary: 'worse' } }), now, context)
  t.match(other, { kind: 'renewed', text: true, external: { alert: { id: 'life-1' } } })
  const over = afterPost(first, post({ endsAt: at(minute / 2) }), now + minute, context)
  t.match(over, { kind: 'resolved', alert: { state: 'resolved', resolvedAt: now + minute / 2 } })
  const long = firstLife({ endsAt: at(60 * minute) })
  const kept = afterPost(long, post(), now, context)
  t.match(kept, { external: { endsAt: now + 60 * minute, explicit: true } }, 'the latest end stays')
  const earlier = afterPost(first, post({ startsAt: at(-9 * minute) }), now, context)
  t.match(earlier, { external: { alert: { activeAt: now - 9 * minute } } }, 'the earliest begin')
  const ahead = afterPost(undefined, post({ startsAt: at(minute) }), now, context)
  t.match(ahead, { external: { alert: { activeAt: now } } }, 'nothing began in the future')
})

t.test('an end is taken once', async (t) => {
  const end = post({ endsAt: at(-minute) })
  t.match(afterPost(undefined, end, now, context), { kind: 'ignored' }, 'of what was never heard')
  const { kind } = afterPost(firstLife(), end, now, { ...context, endedAt: now - minute })
  t.equal(kind, 'ignored', 'a repeat of the end of an earlier life')
  const past = resolvedAt(firstLife().alert, now - 9 * minute)
  t.equal(past.resolvedAt, now, 'nothing ends before it fired here')
  const old = afterSilence(firstLife(), now + 60 * minute, 5 * minute)
  t.equal(old.endsAt, now + 65 * minute, 'after a restart senders have their time')
})

t.test('Grafana’s webhook becomes posts', async (t) => {
  const folder = join(packageRoot, 'test/fixtures/alertmanager')
  t.match(readFileSync(join(folder, 'grafana-webhook.source'), 'utf8'), 'grafana.com/docs')
  const body: unknown = JSON.parse(readFileSync(join(folder, 'grafana-webhook.json'), 'utf8'))
  const { alerts, truncated } = readGrafanaWebhook(body, now)
  t.equal(truncated, 3)
  const [firing, resolved] = alerts.map((one) => readPostedAlert(one, now))
  t.match(firing, {
    labels: { alertname: 'TrunkLoss', instance: 'sbc-1' },
    annotations: {
      summary: 'Trunk to the carrier loses packets',
      value: /value=44\.2/,
      dashboard_url: 'https://grafana.example/d/abc?orgId=1',
    },
    endsAt: now + webhookLastsMillis,
  })
  t.notOk('panel_url' in firing!.annotations)
  t.equal(resolved?.endsAt, Date.UTC(2026, 0, 5, 7, 59, 10))
  const bare = { status: 'resolved', labels, values: { A: 1, B: null } }
  const one = readPostedAlert(readGrafanaWebhook({ alerts: [bare] }, now).alerts[0], now)
  t.match(
    one,
    { endsAt: now, annotations: { value: 'A=1' } },
    'it is over although nobody says when',
  )
  for (const given of [null, 'text', [], {}, { alerts: 'none' }, { text: 'own template' }])
    t.throws(() => readGrafanaWebhook(given, now), CallwardError)
})
