import type { Test } from 'tap'
import { ChangesDesk } from './changes-desk.ts'

const packages = (versions: Record<string, string>) => ({ manager: 'dpkg', packages: versions })
const waiting = (...updates: readonly [name: string, to: string, security: boolean][]) => ({
  services: [{ name: 'postgres-15', version: '15.4' }],
  updates: {
    state: 'ok',
    pending: updates.map(([name, to, security]) => ({ name, from: '1', to, security })),
  },
})

/** Unattended security upgrades are covered by a standing record, and nothing else is. */
export async function standing(t: Test, recordsUrl?: string): Promise<void> {
  const desk = await ChangesDesk.start(t, recordsUrl)
  await desk.hello('pbx-01')
  const at = (days: number) => new Date(desk.clock.now() + days * 86_400_000).toISOString()
  const window = { start: at(-1), end: at(300) }
  const post = (more: object) => desk.as('ines', 'POST', '/changes', desk.plan({ window, ...more }))
  t.match(await post({}), { status: 400, body: { error: { message: /31 days/ } } })
  for (const expected of [[], [{ kind: 'package', subject: '*' }]])
    t.match(await post({ standing: {}, expected }), {
      status: 400,
      body: { error: { message: /approve every change/ } },
    })
  t.match(await post({ standing: { origin: 'moon' } }), { status: 400 })
  t.match(await post({ standing: { hours: { from: '25:00', to: '1:00', zone: 'x' } } }), {
    status: 400,
  })
  t.match(
    await post({ standing: { origin: 'security' }, window: { start: at(-1), end: at(400) } }),
    {
      status: 400,
      body: { error: { message: /366 days/ } },
    },
  )

  const hours = { from: '23:00', to: '04:00', zone: '+07:00', days: ['sat', 'sun'] }
  const whole = await post({ standing: { origin: 'security', hours } })
  t.same(whole.body.change.standing, { origin: 'security', hours }, 'shown as it was said')
  t.same(whole.body.change.entries[0].value.standing, { origin: 'security', hours })
  await desk.tell('pbx-01', 'packages', packages({ 'libc6:amd64': '1', bash: '1', openssl: '1' }))
  await desk.tell(
    'pbx-01',
    'software',
    waiting(['libc6', '2', true], ['openssl', '3', true], ['bash', '2', false]),
  )
  const number = await desk.approved({ window, standing: { origin: 'security' } })
  t.match((await desk.as('vera', 'GET', `/changes/${number}`)).body, {
    change: { standing: { origin: 'security' }, approvedBy: 'jonas', window: { end: /Z$/ } },
  })
  // The newest document no longer says that they wait.
  await desk.tell('pbx-01', 'software', waiting(['bash', '2', false]))
  await desk.tell('pbx-01', 'packages', packages({ 'libc6:amd64': '2', bash: '1', openssl: '3' }))
  t.same(
    await desk.changesOf('pbx-01'),
    ['1 matched: package libc6:amd64 1 2 +, package openssl 1 3 +'],
    'announced security updates, weeks later as well as today',
  )
  await desk.tell('pbx-01', 'packages', packages({ 'libc6:amd64': '1', bash: '2', openssl: '4' }))
  t.same(
    (await desk.changesOf('pbx-01'))[0],
    '2 open: package bash 1 2 -, package libc6:amd64 2 1 -, package openssl 3 4 -',
    'a downgrade, another version and another origin are not covered',
  )
  // The other document of the same run joins the finding.
  const software = { ...waiting(), services: [{ name: 'postgres-15', version: '15.9' }] }
  await desk.tell('pbx-01', 'software', software)
  t.match(
    (await desk.changesOf('pbx-01'))[0],
    /^2 open: .*openssl 3 4 -, service postgres-15 15.4 15.9 -$/,
  )
  t.equal((await desk.changesOf('pbx-01')).length, 2, 'one finding for one run')
  t.match((await desk.as('vera', 'GET', '/version-changes/2')).body, {
    versionChange: { document: 'packages, software', uncovered: 4 },
  })
  await desk.tell('pbx-01', 'packages', packages({ 'libc6:amd64': '1', bash: '3', openssl: '4' }))
  t.match(
    (await desk.changesOf('pbx-01'))[0],
    /^3 open: package bash 2 3 -$/,
    'the next run has its own',
  )

  const expected = [{ kind: 'package', subject: 'bash' }]
  await desk.approved({ window, standing: {}, expected })
  await desk.tell('pbx-01', 'packages', packages({ 'libc6:amd64': '1', bash: '4', openssl: '4' }))
  t.match((await desk.changesOf('pbx-01'))[0], /^4 matched: package bash/, 'by name')
  desk.clock.ahead = 301 * 86_400_000
  await desk.hello('pbx-01')
  await desk.tell('pbx-01', 'packages', packages({ 'libc6:amd64': '1', bash: '5', openssl: '4' }))
  t.match((await desk.changesOf('pbx-01'))[0], /^5 open/, 'no longer than it stands')
}
