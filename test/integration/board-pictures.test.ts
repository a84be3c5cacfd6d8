import t from 'tap'
import { mostPixels, Rasteriser } from '../../server/boards/rasteriser.ts'
import { hostLabels } from '../helpers/host-labels.ts'
import { adminToken } from '../helpers/hub.ts'
import { IncidentDesk } from './incident-desk.ts'

/** A counter's samples every 10 seconds over an hour that ends now: it grows by `step` each. */
async function grows(desk: IncidentDesk, name: string, labels: object, step: number) {
  const id = desk.app.store.intern({ ...hostLabels, __name__: name, ...labels })
  const now = desk.clock.now()
  const rows = Array.from({ length: 361 }, (_, index) => ({
    t: now - (360 - index) * 10_000,
    ids: Uint32Array.of(id),
    values: Float64Array.of(index * step),
  }))
  await desk.app.store.append({ rows })
}

async function picture(desk: IncidentDesk, path: string) {
  const { statusCode, headers, rawPayload, body } = await desk.app.inject({
    url: `/api/v1/boards/${path}`,
    headers: { authorization: `Bearer ${adminToken}` },
  })
  return { status: statusCode, headers, bytes: rawPayload, text: body }
}

/** Width and height, as a PNG says them (its first chunk); of another content it fails. */
function sizeOf(png: Buffer): readonly [number, number] {
  if (png.subarray(0, 8).toString('hex') !== '89504e470d0a1a0a') throw new Error(String(png))
  return [png.readUInt32BE(16), png.readUInt32BE(20)]
}

t.test('heatmaps and histograms are drawn from what is stored', async (t) => {
  const desk = await IncidentDesk.start(t)
  // Of 90 queries in 10 s 60 took up to 0.1 s and 30 up to 1 s: none was longer.
  for (const [le, step] of [
    ['0.1', 60],
    ['1', 90],
    ['+Inf', 90],
  ] as const)
    await grows(desk, 'callward_query_duration_seconds_bucket', { instance: 'h', le }, step)
  // Until five minutes ago: what the hub stores of itself comes later.
  const heat = await picture(desk, 'hub/panels/1114/picture.svg?from=now-35m&to=now-5m')
  t.equal(heat.status, 200)
  const shades = [...heat.text.matchAll(/<path d="([^"]*)" fill="#23589f"/g)].map(([, d]) => d!)
  const cells = shades.map((path) => {
    const [, from, row, to] = /^M(\d+) (\d)H(\d+)V\dH\d+Z$/.exec(path) ?? []
    return path === '' ? 'none' : `row ${row}, steps ${Number(to) - Number(from)}`
  })
  t.same(
    cells,
    [...['none', 'none', 'none', 'none', 'none'], 'row 1, steps 181', 'none', 'row 2, steps 181'],
    'the lowest band is the strongest, half as many are paler by the square root, and nothing above',
  )
  for (const name of ['≤ 100ms', '100ms – 1s', '&gt; 1s'])
    t.ok(heat.text.includes(`>${name}</text>`), name)

  for (const [index, count] of [3, 3, 4, 12].entries())
    await desk.series(
      `pbx-${index}`,
      'callward_software_updates_pending',
      { security: 'true', server: `pbx-${index}` },
      [count, count],
    )
  const bars = await picture(desk, 'versions/panels/609/picture.svg?from=now-1h&to=now')
  t.equal(bars.status, 200)
  const heights = [...bars.text.matchAll(/<rect [^>]*height="([\d.]+)" fill="#23589f"/g)]
  const [two = 0] = heights.map(([, height]) => Number(height))
  t.same(
    heights.map(([, height]) => Number(height) / two),
    [1, 0.5, 0, 0, 0, 0, 0, 0, 0, 0.5],
    'servers with 3, 4 ... 12 updates waiting',
  )
  for (const name of ['3 – 4', '12 – 13']) t.ok(bars.text.includes(`>${name}</text>`), name)
  const empty = await picture(
    desk,
    'versions/panels/609/picture.svg?from=now-1h&to=now&var-server=x',
  )
  t.match(empty.text, /no data|>No /, 'absence is said')
})

t.test('the same picture as PNG, in the scripts that our fonts and the machine have', async (t) => {
  const desk = await IncidentDesk.start(t)
  const path = 'versions/panels/609/picture'
  const drawn = (query: string) => picture(desk, `${path}.png?from=now-1h&to=now&${query}`)
  const updates = { security: 'true', server: 'pbx-1' }
  await desk.series('pbx-1', 'callward_software_updates_pending', updates, [3, 3])
  const plain = await drawn('')
  t.match(plain.headers, {
    'content-type': 'image/png',
    'cache-control': 'no-store',
    'content-disposition': 'inline; filename="versions-609.png"',
  })
  t.same(sizeOf(plain.bytes), [960, 360])
  t.same(sizeOf((await drawn('width=640&height=200&scale=3')).bytes), [1920, 600])
  const said = (server: string) => drawn(`var-server=${encodeURIComponent(server)}`)
  const names = ['Server', 'Сервер', 'Đà Nẵng', 'Διακομιστής']
  const seen = new Set<string>()
  for (const name of names) {
    const one = await said(name)
    t.equal(one.status, 200, name)
    seen.add(one.bytes.toString('base64'))
  }
  t.equal(seen.size, names.length, 'each name is drawn')
  const chinese = await said('呼叫中心')
  if (chinese.status === 200) sizeOf(chinese.bytes)
  else t.match(chinese, { status: 422, text: /呼 叫 中 心.*fonts-noto-cjk/ })
  const nobodys = await said('pbx-\u{10fffc}')
  t.match(nobodys, { status: 422, text: /No font .* has these characters: \u{10fffc}\. Install/u })
  const metrics = await desk.app.inject({
    url: '/metrics',
    headers: { authorization: `Bearer ${adminToken}` },
  })
  t.match(
    metrics.body,
    new RegExp(
      `callward_board_pictures_refused_total\\{reason="font"\\} ${chinese.status === 200 ? 1 : 2}\\n`,
    ),
  )

  for (const [what, address, status, message] of [
    ['too narrow', `${path}.png?width=100`, 400, /width/],
    ['no scale', `${path}.png?scale=0`, 400, /scale/],
    ['too many pixels', `${path}.png?width=2400&height=1600&scale=3`, 400, /take a smaller scale/],
    ['no time', `${path}.png?from=yesterday`, 400, /from=now-6h/],
    ['no server', 'server/panels/206/picture.png', 400, /var-server is missing/],
    ['no panel', 'versions/panels/1/picture.png', 404, /has no panel 1/],
    ['no board', 'nothing/panels/1/picture.png', 404, /no board/],
    ['a table', 'versions/panels/605/picture.png', 422, /of the kind table has no picture/],
  ] as const)
    t.match(await picture(desk, address), { status, text: message }, what)
})

t.test('one PNG is made at a time, few wait, and a lost thread is started anew', async (t) => {
  const refused: string[] = []
  const rasteriser = new Rasteriser((reason) => void refused.push(reason))
  t.teardown(() => rasteriser.close())
  const svg = (words: string) =>
    `<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><text x="1" y="12">${words}</text></svg>`
  const asked = await Promise.allSettled(
    Array.from({ length: 10 }, (_, index) => rasteriser.png(svg(String(index)), 1, 800)),
  )
  t.same(
    asked.map((one) => (one.status === 'fulfilled' ? sizeOf(one.value) : one.reason.code)),
    [...Array(8).fill([40, 20]), 'too_many_requests', 'too_many_requests'],
  )
  t.same(refused, ['busy', 'busy'])
  await t.rejects(rasteriser.png('<svg', 1, 1), {
    code: 'unavailable',
    message: /take picture.svg/,
  })
  const lost = rasteriser.png(svg('lost '.repeat(1000)), 1, 800).catch((error: unknown) => error)
  setImmediate(() => void rasteriser.close())
  t.match(await lost, { code: 'unavailable', message: /its thread ended/ })
  t.same(sizeOf(await rasteriser.png(svg('again'), 2, mostPixels)), [80, 40])
  t.same(sizeOf(await rasteriser.png(svg('and after many pixels'), 1, 800)), [40, 20])
})
