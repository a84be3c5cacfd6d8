import { createHash } from 'node:crypto'
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { mostPanels } from '../../incidents/panels.ts'
import { folderOf } from '../helpers/folder.ts'
import { IncidentDesk, minute } from './incident-desk.ts'
import { faultsIn, PrivacyDesk } from './privacy-desk.ts'

/** "Reports that wait": a curve of one series. */
const waiting = { board: 'server', panel: 257 }
const server = { server: 'pbx-01' }

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}

/** A hub with a server whose reports waited, and an incident of it that began ten minutes ago. */
async function deskWithIncident(...parameters: Parameters<typeof IncidentDesk.start>) {
  const desk = await IncidentDesk.start(...parameters)
  const values = Array.from({ length: 120 }, (_, index) => index * 1000)
  await desk.series('pbx-01', 'callward_collector_spool_reports', server, values)
  const { alert } = await desk.fires('FilesystemFull', 'pbx-01', 10 * minute)
  return { desk, alert }
}

function fileOf(desk: IncidentDesk, id: string, query = '') {
  return desk.app.inject({
    url: `/api/v1/incidents/1/attachments/${id}${query}`,
    headers: { authorization: `Bearer ${desk.tokenOf('vera')}` },
  })
}

t.test('a panel is kept with its incident and stays when the samples are gone', async (t) => {
  const folder = folderOf(t)
  const { desk } = await deskWithIncident(t, {}, folder)
  const faults = faultsIn(await desk.verified(1))
  const began = desk.clock.now() - 10 * minute
  const added = await desk.as('ines', 'POST', '/incidents/1/panels', waiting)
  t.match(added, {
    status: 201,
    body: {
      series: 1,
      panel: {
        ...{ board: 'Callward / Server', panel: 'Reports that wait', addedBy: 'ines' },
        text: 'Callward / Server · Reports that wait · server pbx-01',
      },
    },
  })
  const { panel } = added.body
  t.ok(Math.abs(Date.parse(panel.from) - (began - 60 * minute)) <= minute, 'an hour before')
  t.ok(Date.parse(panel.to) <= desk.clock.now(), 'and until now: it is not over')
  const before = await fileOf(desk, panel.file, '?inline=true')
  t.equal(before.headers['content-type'], 'image/png')
  t.equal(sha256(before.rawPayload), panel.sha256)
  const figures = (await fileOf(desk, panel.data)).json()
  t.match(figures, {
    ...{ format: 'callward-panel', version: 1, board: 'server' },
    panel: { title: 'Reports that wait' },
    choices: { server: ['pbx-01'] },
  })
  const [, last] = figures.answers[0].series[0].values.at(-1)
  t.ok(Number(last) >= 117_000, 'the newest values stand in the figures')
  const shown = await desk.as('vera', 'GET', '/incidents/1/post-mortem?zone=Asia/Shanghai')
  const image = `<img src="data:image/png;base64,${before.rawPayload.toString('base64')}"`
  t.ok(shown.text.includes(image), 'the document holds the picture')
  t.match(shown.text, /\+08:00 – .*attached by ines .*\+08:00/)
  const markdown = await desk.as('vera', 'GET', '/incidents/1/post-mortem?format=markdown')
  t.match(markdown.text, `/attachments/${panel.file}?inline=true)`)
  const json = await desk.as('vera', 'GET', '/incidents/1/post-mortem?format=json')
  t.match(json.text, `"kind":"picture","file":"${panel.file}"`)
  t.same(faultsIn(await desk.verified(1)), faults, 'an outsider finds nothing wrong with it')

  // Without its samples.
  await desk.app.close()
  rmSync(join(folder, 'data', 'hub', 'store'), { recursive: true })
  const later = await IncidentDesk.start(t, {}, folder)
  const redrawn = await later.as(
    'vera',
    'GET',
    '/boards/server/panels/257/picture.svg?var-server=pbx-01',
  )
  t.match(redrawn.text, 'no data')
  const after = await fileOf(later, panel.file)
  t.same(after.rawPayload, before.rawPayload, 'the same picture, to the byte')
  t.same((await later.as('vera', 'GET', '/incidents/1/panels')).body.panels, [panel])
  const again = await later.as('vera', 'GET', '/incidents/1/post-mortem')
  t.ok(again.text.includes(image))

  // A file that was changed outside of the hub is not shown as evidence.
  writeFileSync(join(folder, 'data', 'hub', 'attachments', panel.sha256), 'another')
  const damaged = await later.as('vera', 'GET', '/incidents/1/post-mortem')
  t.equal(damaged.status, 200)
  t.match(damaged.text, /This picture is not here any more.*SHA-256/)
  t.notMatch(damaged.text, '<img')
})

t.test(
  'its time and servers follow from the incident; what is refused leaves nothing',
  async (t) => {
    const folder = folderOf(t)
    const { desk, alert } = await deskWithIncident(t, {}, folder)
    const post = (body: object, who = 'ines', incident = 1) =>
      desk.as(who, 'POST', `/incidents/${incident}/panels`, body)
    for (const [what, answer, status, message] of [
      ['an auditor', await post(waiting, 'vera'), 403, /role/],
      ['no incident', await post(waiting, 'ines', 9), 404, /no incident 9/],
      ['no board', await post({ ...waiting, board: 'x' }), 404, /no board "x"/],
      ['no panel', await post({ ...waiting, panel: 1 }), 404, /no panel 1/],
      ['a text', await post({ ...waiting, panel: 226 }), 422, /text has no picture/],
      ['no number', await post({ ...waiting, panel: 'cpu' }), 400, /panel/],
      ['too long', await post({ ...waiting, beforeMinutes: 20_000 }), 400, /beforeMinutes/],
      [
        'no variable',
        await post({ ...waiting, choices: { host: ['x'] } }),
        400,
        /no variable "host"; it has customer, site, role, server, window/,
      ],
      [
        'no such choice',
        await post({ ...waiting, choices: { window: ['2m'] } }),
        400,
        /"2m" cannot be chosen for window/,
      ],
      [
        'no font',
        await post({ ...waiting, choices: { server: ['\u{10fffc}'] } }),
        422,
        /No font on the hub/,
      ],
    ] as const)
      t.match(answer, { status, body: { error: { message } } }, what)
    const attachments = async () =>
      (await desk.as('vera', 'GET', '/incidents/1/attachments')).body.attachments
    const files = () => readdirSync(join(folder, 'data', 'hub', 'attachments'))
    t.same(await attachments(), [])
    t.same(files(), ['half'])

    const impact = { text: 'No calls.', services: ['hotline'], hosts: ['pbx-02'] }
    await desk.as('ines', 'POST', '/incidents/1/facts', {
      facts: [{ kind: 'impact', value: impact }],
    })
    await desk.recovers(alert)
    const recoveredAt = desk.clock.now()
    desk.clock.ahead += 3 * 60 * minute
    await desk.untilSo('restored', async () => (await desk.facts(1, 'recovered')).length > 0)
    const { body } = await post({ ...waiting, beforeMinutes: 0, afterMinutes: 20 })
    t.equal(body.panel.text, 'Callward / Server · Reports that wait · server pbx-01, pbx-02')
    const [from, to] = [Date.parse(body.panel.from), Date.parse(body.panel.to)]
    t.ok(to > recoveredAt && to <= recoveredAt + 25 * minute, `until 20 minutes after: ${to}`)
    t.ok(to - from <= 36 * minute, 'from when it began')
    const chosen = await post({ board: 'fleet', panel: 112, choices: { server: ['pbx-03'] } })
    t.match(
      chosen.body,
      { series: 0, panel: { text: /server pbx-03$/ } },
      'no figures, and said so',
    )

    for (let count = 2; count < mostPanels; count++) await post(waiting)
    t.match(await post(waiting), { status: 422, text: /takes 20 panels/ })
    t.equal((await attachments()).length, 2 * mostPanels)
  },
)

t.test('an erased picture is said to be gone', async (t) => {
  const desk = await PrivacyDesk.start(t)
  await desk.incident(1)
  const added = await desk.call('token of anna', 'POST', '/incidents/1/panels', waiting)
  t.equal(added.status, 201)
  const asked = await desk.call('anna', 'POST', '/erasures', {
    ...{ incident: '1', kind: 'attachment', id: added.body.panel.file, reason: 'shows a name' },
  })
  t.equal((await desk.agreed(asked, 'boris')).status, 200)
  const { body } = await desk.call('token of vera', 'GET', '/incidents/1/panels')
  t.match(body.panels, [{ sha256: null, text: '[erased]' }])
  const document = await desk.app.inject({
    url: '/api/v1/incidents/1/post-mortem',
    headers: { authorization: `Bearer ${desk.tokenOf('vera')}` },
  })
  t.match(document.body, /This picture is not here any more/)
  t.notMatch(document.body, '<img')
})
