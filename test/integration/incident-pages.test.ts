import { chmodSync, existsSync, readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { CallwardError } from '../../server/errors.ts'
import { PdfPrinter } from '../../server/incidents/pdf.ts'
import { runbookSteps } from '../../server/incidents/runbook-steps.ts'
import { folderOf } from '../helpers/folder.ts'
import { TestHub } from '../helpers/hub.ts'

interface Listed {
  readonly number: number
  readonly severity: string
  readonly workflowState: string
}
interface Given {
  readonly incident: Listed
  readonly parts: readonly string[]
  readonly assignedText: string | null
  readonly acceptedAt: string | null
  readonly arrivedAt: string | null
}

class Desk {
  readonly hub: TestHub
  readonly #tokens = new Map<string, string>()

  constructor(hub: TestHub) {
    this.hub = hub
  }

  static async start(t: Test): Promise<Desk> {
    const hub = await TestHub.start(folderOf(t))
    t.teardown(() => hub.stop())
    return new Desk(hub)
  }

  async as(by: string): Promise<string> {
    const token = this.#tokens.get(by) ?? (await this.hub.token(by, 'operator'))
    this.#tokens.set(by, token)
    return token
  }

  async post(by: string, path: string, body: unknown): Promise<unknown> {
    const token = await this.as(by)
    return this.hub.api(`/api/v1/incidents${path}`, { method: 'POST', body, token })
  }

  async numbers(query: string): Promise<number[]> {
    const path = `/api/v1/incidents?state=all&${query}`
    const { incidents } = await this.hub.api<{ incidents: Listed[] }>(path)
    return incidents.map(({ number }) => number)
  }

  async mine(by: string): Promise<Given[]> {
    const token = await this.as(by)
    const path = '/api/v1/incidents/mine'
    return (await this.hub.api<{ incidents: Given[] }>(path, { token })).incidents
  }
}

const opening = (services: string[], severity?: string) => ({
  phenomenon: 'Callers hear nothing',
  services,
  ...(severity === undefined ? {} : { severity }),
})
const fact = (kind: string, value: object) => ({
  facts: [{ kind, value: { text: kind, ...value } }],
})

t.test('lists narrow by severity, state of the workflow and service', async (t) => {
  const desk = await Desk.start(t)
  await desk.post('anna', '', opening(['hotline'], 'sev1'))
  await desk.post('anna', '', opening(['cards', 'a "b" 100%_\\'], 'sev3'))
  await desk.post('anna', '', opening(['cards_x']))
  const cancel = { kind: 'cancelled', value: { text: 'A drill.', reason: 'test' } }
  const commander = { kind: 'role', value: { text: 'x', role: 'commander', person: 'anna' } }
  const step = { to: 'cancelled', role: 'commander', with: [commander, cancel] }
  await desk.post('anna', '/3/steps', step)
  t.same(await desk.numbers('severity=sev1'), [1])
  t.same(await desk.numbers('workflow=recorded'), [2, 1])
  t.same(await desk.numbers('workflow=cancelled'), [3])
  t.same(await desk.numbers('service=cards'), [2], 'the whole name')
  t.same(await desk.numbers(`service=${encodeURIComponent('a "b" 100%_\\')}`), [2])
  t.same(await desk.numbers('service=card%25'), [], 'no pattern')
  t.same(await desk.numbers('service=cards&severity=sev1'), [])
  t.equal((await desk.hub.fetch('/api/v1/incidents?workflow=gone')).status, 400)
})

t.test('my work: what was given to me, until it ends', async (t) => {
  const desk = await Desk.start(t)
  await desk.post('anna', '', opening(['hotline']))
  await desk.post('anna', '', opening(['cards']))
  t.same(await desk.mine('dung'), [])
  await desk.post('anna', '/1/facts', fact('assigned', { technician: 'dung', text: 'Please go.' }))
  await desk.post('anna', '/2/facts', fact('assigned', { technician: 'dung2' }))
  const [given, ...more] = await desk.mine('dung')
  t.match(given, {
    incident: { number: 1 },
    parts: [],
    assignedText: 'Please go.',
    acceptedAt: null,
  })
  t.same(more, [], 'not what was given to a name that begins alike')
  await desk.post('dung', '/1/facts', fact('accepted', { technician: 'dung' }))
  await desk.post('dung', '/1/facts', fact('arrived', { technician: 'dung', mode: 'remote' }))
  const [accepted] = await desk.mine('dung')
  t.same(accepted?.parts, ['technician'])
  t.ok(accepted?.acceptedAt && accepted.arrivedAt)
  await desk.post('anna', '/2/facts', fact('role', { role: 'expert', person: 'dung' }))
  t.same(
    (await desk.mine('dung')).map(({ incident }) => incident.number),
    [2, 1],
  )
  await desk.post('anna', '/2/facts', fact('role', { role: 'expert', person: 'dung', ended: true }))
  t.same(
    (await desk.mine('dung')).map(({ incident }) => incident.number),
    [1],
  )
})

t.test(
  'the post-mortem’s own policy; without a Chromium a PDF is refused with what to set',
  async (t) => {
    const desk = await Desk.start(t)
    await desk.post('anna', '', opening(['hotline']))
    const page = await desk.hub.fetch(
      '/api/v1/incidents/1/post-mortem?language=zh&zone=Asia/Shanghai',
    )
    t.equal(page.status, 200)
    t.match(
      page.headers.get('content-security-policy'),
      /^default-src 'none'; img-src data:; style-src 'sha256-[^']+'; .*frame-ancestors 'none'$/,
    )
    t.equal(page.headers.get('x-content-type-options'), 'nosniff')
    const pdf = await desk.hub.fetch('/api/v1/incidents/1/post-mortem?format=pdf')
    t.equal(pdf.status, 422)
    t.match(await pdf.text(), /incidents: \{ pdf: \{ chromium: \/usr\/bin\/chromium \} \}/)
  },
)

/** A program in Chromium's place. */
function program(t: Test, script: string): string {
  const path = join(folderOf(t), 'chromium')
  writeFileSync(
    path,
    `#!/bin/sh\nfor a in "$@"; do case "$a" in --print-to-pdf=*) out="\${a#*=}";; esac; done\n${script}\n`,
  )
  chmodSync(path, 0o755)
  return path
}

const folders = () => readdirSync(tmpdir()).filter((name) => name.startsWith('callward-pdf-'))

async function refusal(work: Promise<unknown>): Promise<CallwardError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error instanceof CallwardError) return error
  throw new Error(`not refused as it should be: ${error}`)
}

t.test('a PDF is printed one at a time, and what goes wrong is said', async (t) => {
  const before = folders()
  const given = (chromium: string, timeoutSeconds = 30) =>
    new PdfPrinter({ chromium, timeoutSeconds })
  const lock = join(folderOf(t), 'lock')
  const alone = program(
    t,
    `mkdir ${lock} || exit 9; printf '%%PDF-1.4 ok' > "$out"; sleep 0.1; rmdir ${lock}`,
  )
  const printer = given(alone)
  const five = await Promise.allSettled(Array.from({ length: 5 }, () => printer.print('<p>x')))
  t.same(
    five.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'fulfilled', 'fulfilled', 'rejected'],
    'four wait in line, none beside another; the fifth is told to come again',
  )
  t.equal((await printer.print('<p>x')).toString(), '%PDF-1.4 ok', 'and there is room again')

  t.match(await refusal(given('/nonexistent/chromium').print('x')), {
    code: 'unavailable',
    message: /nonexistent\/chromium .*ENOENT/,
  })
  t.match(await refusal(given(program(t, 'exit 7')).print('x')), { message: /ended with 7/ })
  t.match(await refusal(given(program(t, 'exit 0')).print('x')), { message: /wrote 0 bytes/ })
  const child = join(folderOf(t), 'child')
  const hangs = program(t, `sleep 600 & echo $! > ${child}; wait`)
  t.match(await refusal(given(hangs, 1).print('x')), { message: /longer than 1 s/ })
  t.ok(existsSync(child))
  t.same(
    folders().filter((name) => !before.includes(name)),
    [],
    'nothing is left behind',
  )
})

t.test(
  'the checklist of a runbook is read from its front matter, whatever stands there',
  async (t) => {
    const check = (block: string, wanted: object[]) =>
      t.same(runbookSteps(`---\n${block}\n---\ntext`), wanted)
    check('steps:\n  - id: a\n    text: "Look: twice"\n  - plain words', [
      { id: 'a', text: 'Look: twice' },
      { id: 'step-2', text: 'plain words' },
    ])
    check('steps: no list', [])
    check('steps: [1, null, {id: x}]', [])
    check('steps: [', [])
    t.same(runbookSteps('no front matter'), [])
  },
)
