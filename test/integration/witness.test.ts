import { createPrivateKey } from 'node:crypto'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { readCheckpoint, signCheckpoint } from '../../server/ledger/checkpoint.ts'
import { readWitnessKey, witnessSaid } from '../../server/ledger/cosignature.ts'
import { leafHash } from '../../server/ledger/merkle.ts'
import { openSqliteRecords } from '../../server/records/sqlite-records.ts'
import { folderOf } from '../helpers/folder.ts'
import { adminToken, freePort, Program, until } from '../helpers/hub.ts'
import { listeningHub } from '../helpers/listening-hub.ts'
import { history, TestLog } from '../unit/witness/log.ts'
import { type Answer, MovedClock } from './changes-desk.ts'

// Some forty programs one after the other: on a machine that does other things, more than tap's half minute.
t.setTimeout(300_000)

/** `callward witness`, as an auditor runs it. */
class Auditor {
  readonly folder: string
  running: Program | undefined

  constructor(t: Test, folder: string) {
    this.folder = folder
    t.teardown(() => this.running?.kill('SIGKILL'))
  }

  async run(...args: string[]): Promise<{ code: number | null; output: string }> {
    const program = this.#program(args)
    const { code } = await program.exited
    return { code, output: program.output }
  }

  async key(name: string): Promise<string> {
    const { output } = await this.run('show', '--name', name)
    return /^Key {2}(\S+)/.exec(output)![1]!
  }

  async serve(port: number, log: string): Promise<Program> {
    const program = this.#program(['serve', '--listen', `127.0.0.1:${port}`, '--log', log])
    this.running = program
    await until('the witness listens', () => program.output.includes('listening on'))
    return program
  }

  #program(args: readonly string[]): Program {
    const environment = { CALLWARD_WITNESS: this.folder, CALLWARD_TOKEN: adminToken }
    return new Program('server/cli/main.js', environment, ['witness', ...args])
  }
}

/** The whole hub over one data folder, started again and again. */
class Desk {
  readonly data: string
  readonly clock = new MovedClock()
  readonly #file: string
  app!: FastifyInstance
  url = ''

  constructor(t: Test, folder: string) {
    this.data = join(folder, 'data')
    this.#file = join(folder, 'callward.yaml')
    t.teardown(() => this.app.close())
  }

  async start(hub: object = {}): Promise<void> {
    writeFileSync(this.#file, JSON.stringify({ hub }))
    const { app, url } = await listeningHub(this.#file, this.data, this.clock)
    this.app = app
    this.url = url
  }

  async call(method: 'GET' | 'POST', url: string, body?: object): Promise<Answer> {
    const answer = await this.app.inject({
      method,
      url,
      headers: { authorization: `Bearer ${adminToken}`, host: 'localhost' },
      ...(body === undefined ? {} : { payload: body }),
    })
    const json = /json/.test(String(answer.headers['content-type']))
    return { status: answer.statusCode, body: json ? answer.json() : answer.body }
  }

  async witnesses(): Promise<{ name: string; last: { epoch: number; size: number } | null }[]> {
    return (await this.call('GET', '/api/v1/ledger/witnesses')).body.witnesses
  }

  /** What a witness cosigned last, once it has. */
  seen(name: string, epoch: number): Promise<number> {
    return until(`${name} cosigned`, async () => {
      const { last } = (await this.witnesses()).find((one) => one.name === name)!
      return last?.epoch === epoch && last.size
    })
  }

  async logKey(): Promise<string> {
    return (await this.call('GET', '/api/v1/ledger/status')).body.verifierKeys[0] as string
  }

  async callward(...args: string[]): Promise<{ code: number | null; output: string }> {
    const environment = { CALLWARD_HUB: this.url, CALLWARD_TOKEN: adminToken }
    const program = new Program('server/cli/main.js', environment, ['ledger', ...args])
    const { code } = await program.exited
    return { code, output: program.output }
  }
}

t.test('a hub, a witness that is offered checkpoints, one that fetches them', async (t) => {
  const folder = folderOf(t, { data: {} })
  const desk = new Desk(t, folder)
  const anna = new Auditor(t, join(folder, 'anna'))
  const bank = new Auditor(t, join(folder, 'bank'))
  const [annaKey, bankKey] = [
    await anna.key('auditor.example/anna'),
    await bank.key('bank.example'),
  ]
  const port = await freePort()
  const witnesses = [
    { name: 'anna', url: `http://127.0.0.1:${port}/`, key: annaKey },
    { name: 'bank', key: bankKey },
  ]
  const config = { witnesses, notifyAllow: [`127.0.0.1:${port}`] }
  await desk.start()
  const log = await desk.logKey()
  await desk.app.close()
  let serving = await anna.serve(port, log)
  await desk.start(config)
  const pull = () => bank.run('pull', '--hub', desk.url, '--log', log)

  await t.test('both cosign, the hub shows it, verify says who saw what', async (t) => {
    const size = await desk.seen('anna', 1)
    t.match(serving.output, new RegExp(`cosigned callward.ledger/\\S+ at ${size} entries`))
    const pulled = await pull()
    t.match(pulled, { code: 0, output: /— bank\.example \S+\n/ })
    t.match(pulled.output, /The hub has it\./)
    const { body: note } = await desk.call('GET', '/api/v1/ledger/checkpoint')
    const head = readCheckpoint(note)!
    t.match(witnessSaid(head, readWitnessKey(bankKey)!), { kind: 'valid' }, note)
    const { body } = await desk.call('GET', '/api/v1/ledger/checkpoints')
    const notes = (body.checkpoints as { size: number; note: string }[]).map(({ note }) => note)
    const byAnna = notes.map((one) => witnessSaid(readCheckpoint(one)!, readWitnessKey(annaKey)!))
    t.ok(byAnna.some(({ kind }) => kind === 'valid'))
    t.match(await desk.callward('verify'), {
      code: 0,
      output:
        /Witness auditor\.example\/anna has seen \d+ entries[\s\S]*Witness bank\.example has seen[\s\S]*Verified/,
    })
    t.match(await desk.callward('verify', '--witness', bankKey), {
      code: 0,
      output: /^Witness bank\.example has seen/,
    })
    t.match(await desk.callward('verify', '--witness', 'x'), {
      code: 2,
      output: /callward witness show/,
    })
    t.match((await desk.callward('status')).output, /Witness +anna: \d+ entries of log 1/)
    const { body: metrics } = await desk.call('GET', '/metrics')
    t.match(metrics, /callward_ledger_witness_age_seconds\{witness="anna"\} \d/)
    t.match(metrics, /callward_ledger_offers_total\{witness="anna",outcome="cosigned"\} \d/)
    const { body: page } = await desk.call('GET', '/api/v1/ledger?objectType=ledger-witness')
    const entries = (page.entries as { entry: string }[]).map(({ entry }) => JSON.parse(entry))
    t.match(entries, [
      {
        action: 'ledger.witness',
        object: { id: 'anna' },
        content: { change: 'named', key: annaKey },
      },
      { object: { id: 'bank' }, content: { change: 'named' } },
    ])
  })

  await t.test('what does not verify is not taken', async (t) => {
    const { body: note } = await desk.call('GET', '/api/v1/ledger/checkpoint')
    const { origin, size } = readCheckpoint(note)!
    const post = (body: object) => desk.call('POST', '/api/v1/ledger/cosignatures', body)
    const cosignature = '— bank.example AAAAAAAA\n'
    t.match(await post({ origin, size, cosignature }), { status: 422 })
    t.match(await post({ origin, size: size + 9, cosignature }), { status: 404 })
    t.match(await post({ origin, size, cosignature, more: 1 }), { status: 400 })
    t.match(await bank.run('pull', '--hub', desk.url), { code: 2, output: /--log VKEY/ })
    const foreign = new TestLog().verifierKey
    t.match(await bank.run('pull', '--hub', desk.url, '--log', foreign), {
      code: 1,
      output: /Not cosigned: The log \S+ is not known here/,
    })
    t.match(await bank.run('pull', '--hub', 'http://127.0.0.1:9', '--log', log), {
      code: 1,
      output: /does not answer/,
    })
    const wrong = await bank.run(
      'pull',
      '--hub',
      desk.url,
      '--log',
      log,
      '--token',
      'no such token',
    )
    t.match(wrong, { code: 1, output: /role auditor/ })
  })

  await t.test('a log put back by a restore is another one, and said to be', async (t) => {
    await desk.app.close()
    const reopened = await desk.callward('reopen', '--data', desk.data, '--reason', 'disk lost')
    t.equal(reopened.code, 0)
    await desk.start(config)
    const pulled = await pull()
    t.equal(pulled.code, 3, pulled.output)
    t.match(
      pulled.output,
      /NEW LOG: the hub opened[\s\S]*names callward\.ledger\/\S+ with \d+ entries/,
    )
    t.notMatch(pulled.output, /are gone|rewritten/)
    t.match(await pull(), { code: 0 }, 'told once')
    await desk.app.close()
    await desk.start(config)
    await desk.seen('anna', 2)
    t.match(serving.output, /NEW LOG: a pinned key opened/)
  })

  await t.test('a tree that was rewritten with the same key gets no cosignature', async (t) => {
    const before = await desk.seen('anna', 2)
    await desk.app.close()
    await rewritten(desk.data)
    // Signed anew at a further size, and offered at the next start.
    await desk.start(config)
    await desk.call('POST', '/api/v1/tokens', { name: 'later', role: 'operator' })
    await desk.app.close()
    await desk.start(config)
    const said = await until('the witness refuses', () =>
      /refused \(422\): The proof does not show/.test(serving.output),
    )
    t.ok(said)
    t.equal((await desk.witnesses())[0]?.last, null, 'nothing of the new tree')
    const pulled = await pull()
    t.equal(pulled.code, 3, pulled.output)
    t.match(pulled.output, /Not cosigned[\s\S]*WITNESS ALARM[\s\S]*Evidence: \S+evidence/)
    t.same(
      await desk
        .call('GET', '/api/v1/ledger/checkpoint')
        .then(({ body }) => readCheckpoint(body)!.signatures.length),
      1,
    )
    t.match((await anna.run('show')).output, /in use by process/)
    t.ok(before > 0)
  })

  await t.test('two trees of one size end it, and both notes are kept', async (t) => {
    if (serving.child.exitCode === null && !/WITNESS ALARM/.test(serving.output)) {
      const [file] = readdirSync(anna.folder)
        .filter((name) => name.endsWith('.checkpoint'))
        .map((name) => join(anna.folder, name))
      const held = readCheckpoint(readFileSync(file!, 'utf8'))!
      const key = createPrivateKey(readFileSync(join(desk.data, 'hub/ledger.key'), 'utf8'))
      const note = signCheckpoint({ ...held, root: leafHash('another') }, key)
      const body = `old ${held.size}\n\n${note}`
      const answer = await fetch(`http://127.0.0.1:${port}/add-checkpoint`, {
        method: 'POST',
        body,
      })
      t.equal(answer.status, 422)
      t.match(await answer.text(), /^FORK/)
    }
    t.match(await serving.exited, { code: 3 })
    t.match(serving.output, /WITNESS ALARM[\s\S]*FORK[\s\S]*Evidence/)
    t.match((await anna.run('show')).output, /FORKED, see/)
    serving = await anna.serve(port, log)
    t.match(serving.output, /WITNESS ALARM/, 'told again at each start')
    t.match(await serving.kill('SIGTERM'), { code: 0 })
  })
})

/** An entry is changed, and leaf, tree and everything the hub remembers of its checkpoints with it. */
async function rewritten(data: string): Promise<void> {
  const records = await openSqliteRecords({ path: join(data, 'hub/records.sqlite') })
  const { number: epoch, first_number } = await records.read
    .selectFrom('ledger_epochs')
    .select(['number', 'first_number'])
    .orderBy('number', 'desc')
    .executeTakeFirstOrThrow()
  await records.write(async (tx) => {
    const entry = '{"action":"nothing"}'
    const leaf = leafHash(entry).toString('base64')
    await tx
      .updateTable('ledger_entries')
      .set({ entry, leaf })
      .where('number', '=', first_number)
      .execute()
    await tx.deleteFrom('ledger_tiles').where('epoch', '=', epoch).execute()
    await tx.deleteFrom('ledger_cosignatures').execute()
    await tx.deleteFrom('ledger_checkpoints').where('epoch', '=', epoch).execute()
    await sql`update ledger_epochs set size = 0 where number = ${epoch}`.execute(tx)
  })
  await records.close()
  rmSync(join(data, 'hub/ledger.checkpoint'))
}

t.test('kill -9 at any answer: what it cosigned before binds it afterwards', async (t) => {
  const folder = folderOf(t)
  const anna = new Auditor(t, join(folder, 'anna'))
  await anna.key('auditor.example/anna')
  const log = new TestLog()
  const port = await freePort()
  const leaves = history(400)
  const post = (body: string) =>
    fetch(`http://127.0.0.1:${port}/add-checkpoint`, { method: 'POST', body }).then(
      async (answer) => ({ status: answer.status, text: await answer.text() }),
      () => undefined,
    )
  let held = 0
  for (const answers of [3, 7, 12]) {
    const serving = await anna.serve(port, log.verifierKey)
    for (let done = 0; ; done++) {
      // Killed while the last one is under way.
      const next = post(log.body(leaves.slice(0, held + 3), held))
      if (done === answers) serving.child.kill('SIGKILL')
      const answer = await next
      if (answer?.status !== 200) break
      held += 3
    }
    t.match(await serving.exited, { signal: 'SIGKILL' })
    const again = await anna.serve(port, log.verifierKey)
    const forked = history(held + 6, 'x', Math.max(0, held - 2))
    const answer = await post(log.body(forked, held))
    t.ok(answer?.status === 422 || answer?.status === 409, `${answer?.status}`)
    const told = await post(log.body(leaves, 0))
    t.equal(told?.status, 409)
    t.ok(Number(told!.text) >= held, 'nothing that was answered is forgotten')
    held = Number(told!.text)
    await again.kill('SIGTERM')
  }
})
