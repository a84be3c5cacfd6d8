import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { folderOf } from '../helpers/folder.ts'
import { TestHub, until } from '../helpers/hub.ts'
import { Reporter } from '../helpers/reporter.ts'

interface Incident {
  id: string
  number: number
  state: string
  title: string
}

t.test(
  'kill -9 in the middle of reporting: nothing acknowledged is missing, nothing is doubled',
  { timeout: 90_000 },
  async (t) => {
    const hub = await TestHub.start(folderOf(t))
    t.teardown(() => hub.stop())
    const token = await hub.token('reporters', 'collector')
    const hosts = ['a', 'b', 'c'].map((name) => new Reporter(`kill-${name}`))
    const begin = Date.now()
    // Report n of a host is sample n at begin + 10 n ms, so that every one can be found again.
    const wallOf = (sequence: number) => begin - 60_000 + sequence * 10
    const sent = new Map(hosts.map((host) => [host, 0]))

    for (let round = 1; round <= 4; round++) {
      for (const host of hosts) {
        await host.connect(hub.url, token, { intervalSeconds: 60 })
        const committed = host.frame('welcome')?.committed.live ?? -1
        t.ok(
          committed >= host.acknowledged,
          `round ${round}: the hub kept ${committed}, acknowledged were ${host.acknowledged}`,
        )
        for (let i = committed + 1; i <= sent.get(host)!; i++)
          host.report(i, [i], { wall: wallOf(i) })
      }
      const roundEnds = Date.now() + 150 + Math.random() * 200
      while (Date.now() < roundEnds) {
        for (const host of hosts) {
          const next = sent.get(host)! + 1
          sent.set(host, next)
          host.report(next, [next], { wall: wallOf(next) })
        }
        await delay(2)
      }
      if (round === 4) break
      await hub.program.kill('SIGKILL')
      await Promise.all(hosts.map((host) => host.untilClosed()))
      await hub.restart()
    }
    for (const host of hosts) await host.acknowledgedUpTo(sent.get(host)!)
    for (const host of hosts) {
      const n = sent.get(host)!
      t.ok(n > 50, `${n} reports from ${host.labels.instance}`)
      const selector = `test_value{instance="${host.labels.instance}"}`
      t.equal(
        (await hub.query(`count_over_time(${selector}[10m])`))[0]?.value[1],
        String(n),
        'each once',
      )
      t.equal(
        (await hub.query(`sum_over_time(${selector}[10m])`))[0]?.value[1],
        String((n * (n + 1)) / 2),
        'each with its value',
      )
    }
    for (const host of hosts) host.close()
  },
)

t.test(
  'kill -9 while an alert fires: alert and incident are intact, and do not flap',
  { timeout: 90_000 },
  async (t) => {
    const hub = await TestHub.start(folderOf(t))
    t.teardown(() => hub.stop())
    const token = await hub.token('reporters', 'collector')
    const host = new Reporter('pbx-9')
    await host.connect(hub.url, token, { intervalSeconds: 1 })
    host.report(1, [1])
    await host.acknowledgedUpTo(1)
    const open = async () =>
      (await hub.api<{ incidents: Incident[] }>('/api/v1/incidents?state=open')).incidents
    const firing = async () =>
      (
        await hub.api<{ alerts: { rule: string; instance: string; firedAt: string }[] }>(
          '/api/v1/alerts?state=firing',
        )
      ).alerts.filter(({ instance }) => instance === 'pbx-9')
    const incident = await until('an incident', async () => (await open())[0], 60_000)
    const [alert] = await firing()
    t.match(alert, { rule: 'HostSilent' })
    await hub.api(`/api/v1/incidents/${incident.id}/acknowledge`, {
      method: 'POST',
      body: { note: 'on my way' },
    })

    await hub.program.kill('SIGKILL')
    await hub.restart()
    t.match(await open(), [{ id: incident.id, number: incident.number, state: 'acknowledged' }])
    t.match(await firing(), [{ firedAt: alert!.firedAt }], 'the same life of the alert')
    // Two evaluations of every group later it is still so: a restart neither resolves nor re-opens.
    await delay(4000)
    t.match(await firing(), [{ firedAt: alert!.firedAt }])
    t.equal(
      (await hub.api<{ incidents: Incident[] }>('/api/v1/incidents?state=all')).incidents.length,
      1,
    )

    await host.connect(hub.url, token, { intervalSeconds: 1 })
    host.report(2, [2])
    const deadline = Date.now() + 15_000
    let sequence = 3
    while ((await firing()).length > 0 && Date.now() < deadline) {
      host.report(sequence++, [1])
      await delay(300)
    }
    t.same(await firing(), [], 'resolved when the host is back')
    // The incident takes the end in after the alert is over.
    const closed = await until('the end of the alert is a fact', async () => {
      const { incident: now } = await hub.api<{
        incident: Incident & {
          facts: { kind: string; sequence: number; supersedes: string | null; value: object }[]
        }
      }>(`/api/v1/incidents/${incident.id}`)
      return now.facts.some(({ kind }) => kind === 'alert_resolved') ? now : undefined
    })
    t.match(
      closed,
      { state: 'acknowledged', workflowState: 'recorded' },
      'watched for five minutes',
    )
    // What the hub freezes of its own data comes when it comes.
    const kinds = closed.facts
      .filter(({ kind, supersedes }) => kind !== 'evidence' && supersedes === null)
      .map(({ kind }) => kind)
    t.same(kinds, [
      'opened',
      'phenomenon',
      'occurred',
      'detected',
      'impact',
      'preliminary_cause',
      'severity',
      'runbook',
      'alert_fired',
      'transition',
      'acknowledged',
      'alert_resolved',
    ])
    t.match(
      closed.facts.find(({ kind }) => kind === 'occurred')?.value,
      { text: /^Last report at 20.*Z; the fault began after it\.$/ },
      'dated by what was heard last',
    )
    t.same(
      closed.facts.map(({ sequence }) => sequence),
      closed.facts.map((_, i) => i + 1),
      'facts are numbered without a gap',
    )
    host.close()
  },
)
