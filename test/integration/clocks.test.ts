import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import { buildApp } from '../../server/app.ts'
import { run } from '../../server/cli/main.ts'
import { systemClock } from '../../server/clock.ts'
import { readHubConfig } from '../../server/config.ts'
import { prepareDataFolder } from '../../server/first-start.ts'
import { folderOf } from '../helpers/folder.ts'
import { adminToken } from '../helpers/hub.ts'

/** `callward clocks …` in this process. */
async function callward(...args: string[]) {
  const chunks: string[] = []
  const stream = () => {
    const one = new PassThrough()
    one.setEncoding('utf8').on('data', (text: string) => chunks.push(text))
    return one
  }
  const code = await run(['clocks', ...args], {
    environment: {},
    stdin: stream() as never,
    stdout: stream() as never,
    stderr: stream() as never,
  })
  await new Promise(setImmediate)
  return { code, out: chunks.join('') }
}

const ownRegime = (name: string, hours: number) => `regime: ${name}
title: Our carrier's agreement
jurisdiction: agreement
caution: Not law.
calendar: { zone: Asia/Tashkent }
facts: { reported: the carrier was told, answered: it answered }
clocks:
  - code: answer
    title: Answer of the carrier
    citation: { document: Contract 12, article: '§ 3' }
    starts_with: reported
    deadline: { after: reported, plus: { hours: ${hours} } }
    satisfied_by: answered
    confidence: confirmed
    verified_on: 2026-11-01
`

async function hubWith(t: Test, folder: string, regimesFolder: string) {
  const file = join(folder, 'callward.yaml')
  writeFileSync(file, JSON.stringify({ hub: { regimesFolder } }))
  const config = readHubConfig({
    CALLWARD_CONFIG: file,
    CALLWARD_DATA: join(folder, 'data'),
    CALLWARD_ADMIN_TOKEN: adminToken,
    CALLWARD_LOG: 'silent',
  })
  prepareDataFolder(config)
  const app = await buildApp(config, systemClock)
  t.teardown(() => app.close())
  await app.ready()
  return app
}

t.test('clocks over the API, with own regimes', async (t) => {
  const folder = folderOf(t)
  const own = join(folder, 'regimes')
  mkdirSync(own)
  writeFileSync(join(own, 'carrier.yaml'), ownRegime('carrier', 8))
  const app = await hubWith(t, folder, own)
  const headers = { authorization: `Bearer ${adminToken}` }
  const regimes = async () =>
    (await app.inject({ url: '/api/v1/clocks/regimes', headers })).json() as {
      regimes: { name: string; own: boolean; clocks: { code: string; citation: object }[] }[]
      faults: { file: string; line: number; message: string }[]
    }
  const evaluate = async (payload: object) =>
    app.inject({ method: 'POST', url: '/api/v1/clocks/evaluate', headers, payload })

  const listed = await regimes()
  t.same(listed.faults, [])
  t.same(
    listed.regimes.map(({ name, own }) => `${name}${own ? ' own' : ''}`),
    ['cn-cbrc', 'dora', 'pk-sbp', 'sg-mas', 'sla', 'vn-sbv', 'carrier own'],
  )
  t.match(listed.regimes.find(({ name }) => name === 'dora')?.clocks[0], {
    code: 'initial',
    citation: { article: /Art\. 5\(1\)\(a\)/ },
    confidence: 'confirmed',
    verifiedOn: /^2026-/,
  })

  const facts = [
    { id: 'a1', fact: 'aware', at: '2026-03-10T09:00:00+01:00', certainty: 'estimate' },
    { fact: 'classified', at: '2026-03-10T20:00:00+01:00' },
    {
      fact: 'aware',
      at: '2026-03-09T22:00:00+01:00',
      supersedes: 'a1',
      recorded_at: '2026-03-10T20:10:00+01:00',
    },
  ]
  const institution = { kinds: ['credit-institution'], zone: 'Europe/Paris' }
  const now = '2026-03-10T20:30:00+01:00'
  const answer = await evaluate({ regime: 'dora', institution, facts, now })
  t.equal(answer.statusCode, 200, answer.body)
  t.match(answer.json(), {
    zone: 'Europe/Paris',
    caution: /Counsel/,
    unusedFacts: [],
    clocks: [
      {
        code: 'initial',
        state: 'at risk',
        deadline: '2026-03-10T22:00:00+01:00',
        previous: [{ deadline: '2026-03-11T00:00:00+01:00', because: /aware was corrected from/ }],
        steps: [{ kind: 'choice' }],
        ifItCannotBeMet: /before the deadline passes/,
      },
      { code: 'intermediate', state: 'not started', deadline: null },
    ],
  })
  const suppose = { initial_submitted: '2026-03-10T21:00:00+01:00' }
  const supposed = (await evaluate({ regime: 'dora', institution, facts, now, suppose })).json()
  t.match(supposed, {
    now: '2026-03-10T21:00:00+01:00',
    clocks: [{ state: 'met' }, { state: 'running', deadline: '2026-03-13T21:00:00+01:00' }],
  })

  const refused = async (payload: object, code: string, message: RegExp) => {
    const { error } = (await evaluate(payload)).json() as {
      error: { code: string; message: string }
    }
    t.equal(error.code, code)
    t.match(error.message, message)
  }
  await refused({ regime: 'basel', facts }, 'not_found', /known are cn-cbrc, dora/)
  await refused({ regime: 'dora', facts }, 'bad_request', /institution\.zone is missing/)
  await refused({ regime: 'dora', institution, facts, now: 'today' }, 'bad_request', /now/)
  await refused(
    { regime: 'dora', institution, facts: [{ fact: 'aware', at: 'x' }] },
    'bad_request',
    /facts\[0\]\.at: x is no instant/,
  )
  await refused(
    { regime: 'dora', institution, facts, suppose: { awair: now } },
    'bad_request',
    /known are aware/,
  )
  await refused({ regime: 'dora', institution: { zone: 'Mars' }, facts }, 'bad_request', /no IANA/)
  await refused(
    { regime: 'dora', institution: { ...institution, kinds: ['bank'] }, facts },
    'bad_request',
    /no kind that dora knows/,
  )
  const many = Array.from({ length: 1001 }, () => ({ fact: 'aware', at: now }))
  t.equal((await evaluate({ regime: 'dora', institution, facts: many })).statusCode, 400)
  const wide = {
    regime: 'dora',
    institution,
    facts: [{ fact: 'aware', at: now, reason: 'x'.repeat(300_000) }],
  }
  t.match((await evaluate(wide)).json(), { error: { code: 'too_large' } })

  writeFileSync(join(own, 'sla.yaml'), ownRegime('sla', 2))
  writeFileSync(join(own, 'broken.yaml'), 'regime: [')
  writeFileSync(join(own, 'twin.yaml'), ownRegime('carrier', 9))
  const changed = await regimes()
  t.match(changed.faults.map(({ file, message }) => `${file}: ${message}`).sort(), [
    /^broken\.yaml: not readable as YAML/,
    /^carrier\.yaml: regime: "carrier" is in 2 files/,
    /^twin\.yaml: regime: "carrier" is in 2 files/,
  ])
  t.notOk(changed.regimes.some(({ name }) => name === 'carrier'))
  t.equal(
    changed.regimes.find(({ name }) => name === 'sla')?.own,
    true,
    'an own one takes its place',
  )
  rmSync(own, { recursive: true })
  t.match((await regimes()).faults, [{ message: /folder cannot be read \(ENOENT\)/ }])
})

t.test('clocks in the terminal, without a hub', async (t) => {
  const folder = folderOf(t)
  const file = join(folder, 'facts.yaml')
  writeFileSync(
    file,
    `institution: { kinds: [credit-institution], zone: Europe/Paris }
facts:
  - { fact: aware, at: 2026-03-10T09:00:00+01:00 }
  - { fact: clasified, at: 2026-03-10T11:00:00+01:00 }
`,
  )
  const noon = '2026-03-10T12:00:00+01:00'
  t.match(await callward('regimes'), {
    code: 0,
    out: /dora +6 +confirmed, secondary +shipped +EU DORA/,
  })
  t.match(await callward('regimes', 'dora'), {
    code: 0,
    out: /72 hours after initial_submitted\n.*2025\/301 Art\. 5\(1\)\(b\) https:.*\n.*confirmed, verified on 2026/,
  })
  const first = await callward('evaluate', 'dora', file, '--at', noon)
  t.match(first, {
    code: 0,
    out: /NOT STARTED {2}initial[\s\S]*No clock looks at: clasified\. Misspelt\?/,
  })
  const supposed = await callward(
    ...['evaluate', 'dora', file, '--at', noon, '--steps'],
    ...['--what-if', 'classified=2026-03-10T18:00:00+01:00'],
  )
  t.match(supposed.out, /supposed, as of 2026-03-10T18:00:00\+01:00/)
  t.match(supposed.out, /RUNNING {2}initial {2}due 2026-03-10T22:00:00\+01:00/)
  t.match(supposed.out, /rule +4 hours after classified: Tuesday 2026-03-10 22:00:00/)
  const json = await callward('evaluate', 'dora', file, '--at', noon, '--json')
  t.match(JSON.parse(json.out), { regime: 'dora', clocks: [{ code: 'initial' }] })

  t.match(await callward('evaluate', 'basel', file), { code: 1, out: /known are cn-cbrc/ })
  t.match(await callward('evaluate', 'dora', join(folder, 'none')), { code: 1, out: /ENOENT/ })
  t.match(await callward('evaluate', 'dora', folder), { code: 1, out: /EISDIR/ })
  t.match(await callward('evaluate', 'dora'), { code: 2, out: /Say: callward clocks/ })
  t.match(await callward('evaluate', 'dora', file, '--at', 'noon'), { code: 2, out: /is no time/ })
  t.match(await callward('evaluate', 'dora', file, '--what-if', 'x'), { code: 2, out: /FACT=TIME/ })
  t.match(await callward('evaluate', 'dora', file, '--what-if', `x=${noon}`), {
    code: 2,
    out: /known are/,
  })
  writeFileSync(file, 'facts: [{ fact: aware, at: noon }]')
  t.match(await callward('evaluate', 'dora', file), { code: 1, out: /line 1: facts\[0\]\.at/ })
  writeFileSync(join(folder, 'own.yaml'), ownRegime('own', 0))
  t.match(await callward('regimes', '--folder', folder), {
    code: 1,
    out: /own\.yaml:12: clocks\[0\]/,
  })
  t.match(await callward('--help'), { code: 0, out: /--what-if FACT=TIME/ })
})
