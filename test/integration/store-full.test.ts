import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { adminToken, TestHub, until } from '../helpers/hub.ts'
import { Reporter } from '../helpers/reporter.ts'

const required = process.env['CALLWARD_REQUIRE_PEERS'] === '1'

/** A file system of its own, a little larger than the reserve of 512 MB; or why there is none. */
function smallDisk(t: Test): { readonly mount: string } | { readonly unable: string } {
  if (process.getuid?.() !== 0) return { unable: 'mounting needs root' }
  const folder = mkdtempSync(join(tmpdir(), 'callward-full-'))
  const image = join(folder, 'disk.img')
  const mount = join(folder, 'disk')
  try {
    writeFileSync(image, '')
    execFileSync('truncate', ['-s', '2G', image])
    execFileSync('mkfs.ext4', ['-q', '-F', '-m', '0', image], { stdio: 'pipe' })
    mkdirSync(mount)
    execFileSync('mount', ['-o', 'loop', image, mount], { stdio: 'pipe' })
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    return { unable: `no loop mount here: ${String(error).split('\n')[0]}` }
  }
  t.teardown(() => {
    execFileSync('umount', ['-l', mount])
    rmSync(folder, { recursive: true, force: true })
  })
  return { mount }
}

interface PrometheusAlert {
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly state: string
}

async function active(
  hub: TestHub,
  name: string,
  wanted: 'pending' | 'firing',
): Promise<PrometheusAlert | undefined> {
  const { data } = await hub.api<{ data: { alerts: PrometheusAlert[] } }>('/prom/api/v1/alerts')
  return data.alerts.find(({ labels, state }) => labels['alertname'] === name && state === wanted)
}

t.test('a store that refuses is an alert, although nothing can be stored', async (t) => {
  const disk = smallDisk(t)
  if ('unable' in disk) {
    t.notOk(required, disk.unable)
    t.pass('not run', { skip: disk.unable })
    return
  }
  const hub = await TestHub.start(join(disk.mount, 'data'))
  t.teardown(() => hub.stop())
  const pushed: { alert?: { rule: string }; change?: string }[] = []
  const live = new WebSocket(`${hub.url.replace('http', 'ws')}/live`, {
    headers: { authorization: `Bearer ${await hub.token('ines', 'operator')}` },
  })
  live.on('message', (data) => {
    const frame = JSON.parse(String(data)) as { type: string; body?: (typeof pushed)[number] }
    if (frame.type === 'welcome') live.send(JSON.stringify({ type: 'subscribe' }))
    else if (frame.body !== undefined) pushed.push(frame.body)
  })
  t.teardown(() => live.close())

  const reporter = new Reporter('pbx-1')
  await reporter.connect(hub.url, adminToken)
  let wall = 0
  const report = (sequence: number) => {
    // No two at one time, or the later would replace the earlier.
    wall = Math.max(wall + 1, Date.now())
    reporter.report(sequence, [sequence], { wall })
  }
  for (let sequence = 1; sequence <= 5; sequence++) report(sequence)
  await reporter.acknowledgedUpTo(5)
  t.equal(await active(hub, 'HubStoreRefusing', 'firing'), undefined)

  const filler = join(disk.mount, 'filler')
  execFileSync('fallocate', ['-l', '1000M', filler])
  await until('the warning waits', () => active(hub, 'HubDiskFillsSoon', 'pending'), 60_000)
  execFileSync('fallocate', ['-o', '1000M', '-l', '600M', filler])
  let sequence = 5
  await until(
    'reports are refused',
    () => {
      if (reporter.closed !== undefined) return true
      sequence += 1
      report(sequence)
      return false
    },
    60_000,
  )
  const acknowledged = reporter.acknowledged
  t.ok(acknowledged < sequence, 'what is refused is not acknowledged')
  const alert = await until('the alert', () => active(hub, 'HubStoreRefusing', 'firing'), 60_000)
  t.match(alert.labels, { reason: 'disk full', severity: 'critical', instance: 'hub' })
  t.match(alert.annotations['description'], /[\d.]+MiB are free on its disk\. Free room there/)
  await until('people are told', () =>
    pushed.some(({ alert, change }) => alert?.rule === 'HubStoreRefusing' && change === 'firing'),
  )
  t.equal((await hub.fetch('/runbooks/HubStoreRefusing')).status, 200)

  rmSync(filler)
  await until(
    'samples are taken again',
    async () => {
      await reporter.connect(hub.url, adminToken)
      if (reporter.closed !== undefined) return false
      sequence = reporter.frame('welcome')!.committed.live
      t.ok(sequence >= acknowledged, 'nothing acknowledged is lost')
      report(sequence + 1)
      return until('an ack or the end', () =>
        reporter.acknowledged > sequence ? 'taken' : reporter.closed && 'refused',
      ).then((outcome) => outcome === 'taken')
    },
    60_000,
  )
  await until(
    'the alert resolves by itself',
    async () => (await active(hub, 'HubStoreRefusing', 'firing')) === undefined,
    90_000,
  )
  await until('people are told of the end', () =>
    pushed.some(({ alert, change }) => alert?.rule === 'HubStoreRefusing' && change === 'resolved'),
  )
  const stored = await hub.query('count_over_time(test_value{instance="pbx-1"}[1h])')
  t.equal(Number(stored[0]?.value[1]), reporter.acknowledged, 'every acknowledged report is there')
  reporter.close()
})
