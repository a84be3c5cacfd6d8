import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { codeAt } from '../../server/people/second-factor.ts'
import { folderOf } from '../helpers/folder.ts'
import { adminToken, freePort, TestHub, until } from '../helpers/hub.ts'
import { type Said, terminalHere } from '../helpers/terminal.ts'

const password = 'four lamps over the sea'
const version = (name: string, port: number) => `role: pbx
version: "${name}"
approvedBy: anna, boris
approvedAt: 2026-01-05
packages: { kamailio: "5.8.${port}" }
`

/** A hub process whose baselines take two people; a terminal for each role. */
async function start(t: Test) {
  const folder = folderOf(t, { baselines: { 'pbx.yaml': version('2026.1', 1) } })
  const config = join(folder, 'callward.yaml')
  const baselines = join(folder, 'baselines')
  const settings = { baselinesFolder: baselines, twoPersonBaselines: true, signInsPerMinute: 1000 }
  writeFileSync(config, JSON.stringify({ hub: settings }))
  const hub = await TestHub.start(join(folder, 'data'), { CALLWARD_CONFIG: config })
  t.teardown(() => hub.stop())
  const [operator, auditor] = [
    await hub.token('ines', 'operator'),
    await hub.token('vera', 'auditor'),
  ]
  return {
    hub,
    baselines,
    admin: terminalHere(hub.url, adminToken),
    operator: terminalHere(hub.url, operator),
    auditor: terminalHere(hub.url, auditor),
  }
}

/** What a person does in the console: a request with the cookie of a session. */
async function inConsole(hub: TestHub, cookie: string, path: string, body: object) {
  const response = await fetch(`${hub.url}/api/v1${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: hub.url, cookie },
    body: JSON.stringify(body),
  })
  const text = await response.text()
  const set = /callward_session=[^;]+/.exec(response.headers.get('set-cookie') ?? '')?.[0] ?? ''
  // biome-ignore lint/suspicious/noExplicitAny: answers are compared with what a test expects of them
  return { status: response.status, body: (text === '' ? {} : JSON.parse(text)) as any, set }
}

/** Sets the password that a link asks for, and signs in with it. */
async function signIn(hub: TestHub, name: string, link: string): Promise<string> {
  const code = link.split('#')[1]
  await inConsole(hub, '', '/password-links/use', { code, password })
  return (await inConsole(hub, '', '/sessions', { name, password })).set
}

type Refusal = readonly [run: () => Promise<Said>, code: number, out: RegExp]

/** Two at a time: each is a process. */
async function refuses(t: Test, refusals: readonly Refusal[]): Promise<void> {
  for (let at = 0; at < refusals.length; at += 2)
    await Promise.all(
      refusals
        .slice(at, at + 2)
        .map(async ([run, code, out]) => t.match(await run(), { code, out }, String(out))),
    )
}

const jsonOf = ({ out }: Said) => JSON.parse(out)
const linkIn = ({ out }: Said) => /^https?:\/\/\S+\/welcome#\S+$/m.exec(out)?.[0] ?? ''

t.test('people, teams and approvals in the terminal', { timeout: 590_000 }, async (t) => {
  const { hub, baselines, admin, operator, auditor } = await start(t)
  let anna = ''

  await t.test('people are listed and invited', async (t) => {
    t.match(await auditor('people'), {
      code: 0,
      out: /^NAME +ROLE +STATE +SECOND FACTOR +TEAMS +E-MAIL +SINCE\nadmin +admin +no password yet +no +- +- +\d{4}-[\s\S]*\nvera +auditor /,
    })
    const invite = ['people', 'invite', 'anna', '--role', 'operator']
    const invited = await admin(...invite, '--email', 'anna@bank.example')
    t.match(invited, { code: 0, out: /Give this link to anna and nobody else.*works once, until / })
    anna = await signIn(hub, 'anna', linkIn(invited))
    t.match(await admin('people', 'list'), {
      out: /\nanna +operator +signs in by password +no +- +anna@bank\.example /,
    })
    t.match(await admin(...invite), {
      code: 1,
      out: /an account "anna" already; choose another name, or make a link for it: callward people link anna/,
    })
    const boris = await admin('people', 'invite', 'boris', '--role', 'admin', '--json')
    t.match(jsonOf(boris), {
      person: { name: 'boris', role: 'admin', hasPassword: false },
      invitation: { url: /\/welcome#/, expiresAt: /Z$/ },
    })
    t.equal(jsonOf(await auditor('people', '--json')).people.length, 5)
    await refuses(t, [
      [() => admin('people', 'invite', 'carl'), 2, /what carl may do: --role admin \| operator/],
      [() => admin('people', 'invite', 'carl', '--role', 'chief'), 2, /may do: --role admin/],
      [() => admin(...invite.with(2, '-carl')), 2, /Usage: callward people/],
      [() => admin(...invite.with(2, 'c/l')), 2, /"c\/l" is no name: it begins with/],
      [
        () => admin(...invite.with(2, 'carl'), '--email', 'x'),
        2,
        /"x" is no e-mail address\. Example/,
      ],
      [() => admin(...invite.with(2, 'Hub')), 1, /stands for the hub itself; choose another name/],
      [() => operator(...invite.with(2, 'carl')), 1, /operator may not do that; it takes admin\./],
      [() => auditor(...invite.with(2, 'carl')), 1, /auditor may not do that; it takes admin\./],
      [() => operator('people'), 1, /it takes admin or auditor/],
    ])
  })

  await t.test('teams', async (t) => {
    t.match(await operator('teams'), { code: 0, out: /no team yet.*callward teams set --help/ })
    const set = ['teams', 'set', 'voice', '--name', 'Voice group', '--members']
    t.match(await admin(...set, 'anna, boris'), { code: 0, out: 'voice has 2 member(s).' })
    t.match(await auditor('teams', 'list'), {
      out: /^ID +NAME +MEMBERS\nvoice +Voice group +anna, boris\n$/,
    })
    const empty = jsonOf(
      await admin('teams', 'set', 'empty', '--name', 'X', '--members', '', '--json'),
    )
    t.match(empty, { team: { id: 'empty', name: 'X', members: [] } })
    t.match(jsonOf(await operator('teams', '--json')).teams, [{ id: 'empty' }, { id: 'voice' }])
    t.match(await admin('people'), { out: /\nanna .* voice / })
    const owner = { kind: 'team', id: 'voice' }
    const settings = { url: 'https://chat.bank.example/hook', secret: password }
    const { contactPoint } = await hub.api<{ contactPoint: { id: string } }>(
      '/api/v1/contact-points',
      { method: 'POST', body: { channel: 'webhook', label: 'voice', owner, settings } },
    )
    await refuses(t, [
      [() => admin(...set, 'anna,nobody'), 1, /There is no person "nobody"; see: callward people/],
      [() => admin(...set.with(2, 'staff'), ''), 1, /"staff" is everybody who may act.*another id/],
      [() => admin(...set.with(2, 'Voice'), ''), 2, /no id of a team: small letters.*Example/],
      [
        () => admin('teams', 'set', 'voice', '--members', ''),
        2,
        /Say its name and members: callward/,
      ],
      [() => admin('teams', 'set', 'voice', '--name', 'V'), 2, /Say its name and members/],
      [() => admin('teams', 'remove', 'none'), 1, /no team "none"; see: callward teams/],
      [
        () => admin('teams', 'remove', 'voice'),
        1,
        /contact points; remove them first: callward notify/,
      ],
      [() => admin('teams', 'remove', 'voice', '--name', 'V'), 2, /--name goes with set/],
      [() => admin('teams', 'remove'), 2, /Say what to do: list, or set or remove/],
      [() => admin('teams', 'list', 'voice'), 2, /Say what to do/],
      [() => operator(...set, 'ines'), 1, /operator may not do that; it takes admin\./],
    ])
    await hub.api(`/api/v1/contact-points/${contactPoint.id}`, { method: 'DELETE' })
    t.match(await admin('teams', 'remove', 'empty'), { code: 0, out: 'The team empty is removed.' })
  })

  await t.test('approvals are shown, and decided in the console only', async (t) => {
    t.match(await auditor('approvals'), { code: 0, out: /Nothing waits.*callward approvals --all/ })
    t.match(await auditor('approvals', '--all'), { code: 0, out: 'Nothing was ever asked for.' })
    const waits = async () =>
      (await hub.api<{ waiting: unknown[] }>('/api/v1/baselines')).waiting.length > 0
    await until('the baseline waits', waits)
    const subject = 'pbx 2026.1'
    const own = /not by a token or a sign-in link: sign in to the console with your own password/
    t.match(await operator('approvals', 'request', 'baseline', subject), { code: 1, out: own })
    const wanted = { kind: 'baseline', subject }
    const asked = await inConsole(hub, anna, '/approvals', wanted)
    t.equal(asked.status, 201, JSON.stringify(asked.body))
    const { id } = asked.body.approval
    t.match(await operator('approvals', 'list'), {
      code: 0,
      out: /^ID +KIND +SUBJECT +STATE +ASKED BY +AT +DECIDED\n\S+ +baseline +pbx 2026\.1 +open +anna +.* until 20/,
    })
    const shown = await auditor('approvals', 'show', id)
    t.match(shown, {
      code: 0,
      out: /^baseline "pbx 2026\.1": .*\nasked by anna .*\nwaits for a second person until [\s\S]*\n {2}role: pbx\n {2}version: "2026\.1"\n/,
    })
    t.match(jsonOf(await auditor('approvals', 'show', id, '--json')).approval, {
      id,
      state: 'open',
      content: { text: version('2026.1', 1) },
    })
    t.match(jsonOf(await auditor('approvals', '--json')).approvals, [{ id, mayApprove: false }])
    await refuses(t, [
      [() => operator('approvals', 'approve', id), 1, own],
      [() => admin('approvals', 'reject', id, '--reason', 'no'), 1, own],
      [() => admin('approvals', 'reject', id), 2, /Say why: --reason TEXT/],
      [() => auditor('approvals', 'approve', id), 1, /it takes admin or operator/],
      [
        () => admin('approvals', 'request', 'moon', 'x'),
        1,
        /Nothing of the kind "moon".*known: .*baseline/,
      ],
      [() => admin('approvals', 'show', 'none'), 1, /no request "none"; see: callward approvals/],
      [() => admin('approvals', 'approve'), 2, /Say what to do: list, show ID/],
      [() => admin('approvals', 'dance', id), 2, /Say what to do/],
      [() => admin('approvals', 'list', id), 2, /Say what to do/],
    ])
    const boris = await signIn(hub, 'boris', linkIn(await admin('people', 'link', 'boris')))
    t.equal((await inConsole(hub, boris, `/approvals/${id}/approve`, {})).status, 200)
    writeFileSync(join(baselines, 'pbx.yaml'), version('2026.2', 2))
    const next = { kind: 'baseline', subject: 'pbx 2026.2' }
    const second = await until('it waits, too', async () => {
      const { status, body } = await inConsole(hub, anna, '/approvals', next)
      return status === 201 && body.approval.id
    })
    await inConsole(hub, anna, `/approvals/${second}/reject`, { reason: 'wrong\u001b[2J port' })
    t.match(await admin('approvals', 'show', second), {
      out: /\nrejected by anna 20.*\nbecause wrong \[2J port\n/,
    })
    const all = await admin('approvals', '--all')
    t.match(all, { out: /2026\.1 +approved +anna +.* boris\n/ })
    t.match(all, { out: /2026\.2 +rejected +anna +.* anna\n/ })
    t.match(await admin('approvals'), { out: /^Nothing waits/ })
  })

  await t.test('people are changed, disabled and let in again', async (t) => {
    const link = await admin('people', 'link', 'anna', '--json')
    t.match(jsonOf(link), { url: /\/welcome#/, expiresAt: /Z$/ })
    t.match(await admin('people', 'role', 'boris', 'operator'), {
      code: 0,
      out: 'boris is operator now, and signs in anew.',
    })
    t.match(await admin('people', 'email', 'anna', 'a@bank.example'), { out: /anna is a@bank/ })
    t.match(jsonOf(await admin('people', 'email', 'anna', '-', '--json')).person, { email: null })
    const begun = await inConsole(hub, anna, '/account/second-factor', { password })
    const code = codeAt(begun.body.secret, Date.now())
    t.equal((await inConsole(hub, anna, '/account/second-factor/confirm', { code })).status, 200)
    t.match(await admin('people'), { out: /\nanna +operator +signs in by password +yes / })
    t.match(await admin('people', 'reset-factor', 'anna'), { code: 0, out: /anna is taken away/ })
    t.match(await admin('people', 'disable', 'anna'), { code: 0, out: /sessions and tokens have/ })
    t.match(await admin('people'), { out: /\nanna +operator +disabled 20.*voice/ })
    t.match(await admin('teams'), { out: /anna \(disabled\), boris/ })
    t.same(jsonOf(await admin('teams', 'remove', 'voice', '--json')), {})
    await refuses(t, [
      [
        () => admin('people', 'link', 'anna'),
        1,
        /disabled; enable it first: callward people enable anna/,
      ],
      [() => admin('people', 'link', 'nobody'), 1, /no person "nobody"; see: callward people/],
      [() => admin('people', 'role', 'nobody', 'admin'), 1, /no person "nobody"/],
      [
        () => admin('people', 'role', 'anna', 'chief'),
        2,
        /A role is one of admin, operator, auditor/,
      ],
      [() => admin('people', 'role', 'anna'), 2, /Say which: callward people role anna/],
      [() => admin('people', 'role', 'admin', 'auditor'), 1, /last administrator.*role NAME admin/],
      [() => admin('people', 'disable', 'admin'), 1, /last administrator/],
      [() => admin('people', 'email', 'anna', 'x'), 2, /no e-mail address/],
      [() => admin('people', 'disable', 'anna', 'now'), 2, /disable takes no "now"/],
      [() => admin('people', 'disable', 'anna', '--role', 'admin'), 2, /--role goes with invite/],
      [() => admin('people', 'disable'), 2, /Say what to do: list, or one of invite/],
      [() => admin('people', 'dance', 'anna'), 2, /Say what to do/],
      [() => admin('people', '--nonsense'), 2, /nonsense/],
      [() => admin('people', 'reset-factor', 'anna'), 1, /anna has no second factor/],
      [() => operator('people', 'disable', 'anna'), 1, /it takes admin\./],
    ])
    const enabled = await admin('people', 'enable', 'anna')
    t.match(enabled, { code: 0, out: /anna may sign in again; tokens are made anew/ })
  })

  await t.test('help, a token that is not known, and no hub', async (t) => {
    for (const name of ['people', 'teams', 'approvals', 'canary', 'rules'])
      t.match(await admin(name, '--help'), {
        code: 0,
        out: new RegExp(
          `^Usage: callward ${name} [\\s\\S]*\\nExamples:\\n {2}callward ${name}[\\s\\S]*Exit codes`,
        ),
      })
    const stranger = terminalHere(hub.url, 'cw_unknown_token')
    t.match(await stranger('people'), {
      code: 1,
      out: /refuses the token from CALLWARD_TOKEN[\s\S]*callward token create/,
    })
    const nowhere = terminalHere(`http://127.0.0.1:${await freePort()}`, adminToken)
    t.match(await nowhere('teams'), { code: 1, out: /does not answer at[\s\S]*--hub URL/ })
  })
})
