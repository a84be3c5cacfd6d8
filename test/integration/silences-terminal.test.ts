import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { adminToken, TestHub } from '../helpers/hub.ts'
import { terminalOf } from '../helpers/terminal.ts'

t.test('silences in the terminal', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'callward-silences-'))
  const hub = await TestHub.start(join(folder, 'data'))
  t.teardown(async () => {
    await hub.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  const terminal = terminalOf(hub.url, adminToken)
  const callward = (...args: string[]) => terminal('silences', ...args)
  const labels = { alertname: 'TrunkDown', severity: 'critical', instance: 'sbc-1' }
  const trunk = { labels, annotations: { summary: 'Trunk 1 is down' } }
  await hub.api('/am/api/v2/alerts', { method: 'POST', body: [trunk] })
  t.match(await callward(), { code: 0, out: 'Nothing is silenced.' })
  const preview = await callward('preview', 'instance=sbc-1')
  t.match(
    preview.out,
    /would hide 1 alerts that fire now, 1 of them critical[\s\S]*Trunk 1 is down/,
  )
  t.match((await callward('preview', 'alertname=~.+')).out, /Only an administrator.*--force/)
  const add = ['add', 'instance=sbc-1', 'alertname=~"Trunk.*"']
  t.match(await callward(...add, '--for', '2h'), { code: 2, out: /Say why: --reason/ })
  t.match(await callward(...add, '--reason', 'x'), { code: 2, out: /--for 2h, or --until/ })
  t.match(await callward(...add, '--reason', 'x', '--for', '2y'), { code: 2, out: /say 30m/ })
  t.match(await callward('add', 'alertname=~.+', '--reason', 'x', '--for', '1h'), {
    code: 1,
    out: /too broad/,
  })
  const set = await callward(...add, '--for', '2h', '--until-resolved', '--reason', 'Carrier, 812')
  t.match(set, { code: 0, out: /ACTIVE.*Trunk\.\*.*1 .*or recovery.*bootstrap.*Carrier, 812/ })
  const { silences } = JSON.parse((await callward('--json')).out) as { silences: { id: string }[] }
  const id = silences[0]!.id
  t.match(await callward('extend', id, '--for', '1h'), { code: 0, out: id })
  t.match(await callward('end', id), { code: 0, out: /EXPIRED/ })
  t.match(await callward('list', '--all'), { code: 0, out: id })
  t.match(await callward('end', 'none'), { code: 1, out: /no silence of that id/ })
  t.match(await callward('end'), { code: 2 })
})
