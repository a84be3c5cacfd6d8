import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { openSqlite, type SqliteConnection } from '../../server/records/sqlite-port.ts'
import {
  type Report,
  readCheckpoint,
  readVerifierKey,
  type Trust,
  verifyBundle,
} from '../../verifier/verify.ts'
import { folderOf } from '../helpers/folder.ts'
import { TestHub, until } from '../helpers/hub.ts'
import { type As, investigate, type People, restore } from '../helpers/incident-walk.ts'
import { receiver } from './notify-desk.ts'

const rules = 'groups:\n  - name: none\n    rules: []\n'

/** Whether a bundle proved anything, or what the hub said instead. */
export type Told =
  | { readonly kind: 'report'; readonly report: Report; readonly file: Uint8Array }
  | { readonly kind: 'refused'; readonly status: number; readonly text: string }

/** A hub with a few incidents, its database in the hands of somebody who should not have it. */
export class Scene {
  readonly hub: TestHub
  readonly records: string
  trust: Trust = {}
  /** Takes every notice. */
  readonly #receiverUrl: string

  private constructor(hub: TestHub, receiverUrl: string) {
    this.hub = hub
    this.#receiverUrl = receiverUrl
    this.records = join(hub.data, 'hub', 'records.sqlite')
  }

  static async start(t: Test): Promise<Scene> {
    const folder = folderOf(t)
    mkdirSync(join(folder, 'rules'))
    writeFileSync(join(folder, 'rules', 'none.yaml'), rules)
    const config = join(folder, 'callward.yaml')
    writeFileSync(
      config,
      `hub: { rulesFolder: ${join(folder, 'rules')}, notifyAllow: [127.0.0.1] }\n`,
    )
    const { url } = await receiver(t, (_heard, response) => response.end('ok'))
    const hub = await TestHub.start(join(folder, 'data'), { CALLWARD_CONFIG: config })
    t.teardown(() => hub.stop())
    return new Scene(hub, url)
  }

  /** An alert that somebody posts, firing or over. */
  post(name: string, instance: string, over = false): Promise<unknown> {
    const labels = { alertname: name, severity: 'critical', instance, server: instance }
    const annotations = { summary: `${name} on ${instance}`, description: 'Nguyễn: it is down' }
    const ends = over ? { endsAt: new Date(Date.now() - 1000).toISOString() } : {}
    const body = [{ labels, annotations, ...ends }]
    return this.hub.api('/am/api/v2/alerts', { method: 'POST', body })
  }

  act(incident: number, what: string, body: object): Promise<unknown> {
    return this.hub.api(`/api/v1/incidents/${incident}/${what}`, { method: 'POST', body })
  }

  /** Three incidents: handled and over, taken up again after a relapse, still open. */
  async story(): Promise<void> {
    await this.hub.api('/api/v1/sign-in-links', { method: 'POST' })
    await this.post('ServiceDown', 'pbx-1')
    await this.#tried(1)
    await this.act(1, 'acknowledge', { note: 'Mai looks at it, 555-0101' })
    await this.act(1, 'notes', { text: 'Restarted; the card is old.' })
    await this.hub.fetch('/api/v1/incidents/1/attachments?name=trace.txt', {
      method: 'POST',
      body: 'INVITE sip:555-0101',
    })
    await this.post('ServiceDown', 'pbx-1', true)
    const people = await this.#people()
    await this.#answersFor(people.lead)
    await investigate(1, people)
    await restore(1, people)
    await this.#state(1, 'resolved')
    await this.post('TrunkDown', 'pbx-2')
    await this.post('TrunkDown', 'pbx-2', true)
    await investigate(2, people)
    await restore(2, people)
    await this.#state(2, 'resolved')
    await this.post('TrunkDown', 'pbx-2')
    await this.#state(2, 'open')
    await this.post('DiskFull', 'pbx-3')
    await this.#tried(2)
  }

  /** Somebody is asked to go, management is told, and nothing of it may be erased. */
  async #answersFor(lead: As): Promise<void> {
    const api: TestHub['api'] = (path, options) => this.hub.api(path, options)
    await api('/api/v1/people', { method: 'POST', body: { name: 'nora', role: 'operator' } })
    await lead('/api/v1/incidents/1/assignments', { technician: 'nora', text: 'Please look.' })
    const settings = { url: this.#receiverUrl, secret: 'x'.repeat(16) }
    const point = { channel: 'webhook', label: 'board', settings, owner: { kind: 'shared' } }
    await api('/api/v1/contact-points', { method: 'POST', body: point })
    const notice = { audience: 'management', form: 'opening', language: 'en' }
    await lead('/api/v1/incidents/1/notices', { ...notice, contactPoints: ['board'] })
    await until('the notice has come', async () => {
      const { communication } = await api<{
        communication: { notices: { deliveries: { state: string }[] }[] }
      }>('/api/v1/incidents/1/communication')
      return communication.notices[0]?.deliveries[0]?.state === 'accepted'
    })
    await api('/api/v1/holds', { method: 'POST', body: { incident: '1', reason: 'A lawsuit.' } })
  }

  /** Two people with a token each. */
  async #people(): Promise<People> {
    const as = async (name: string): Promise<As> => {
      const token = await this.hub.token(name, 'operator')
      return (path, body) => this.hub.api(path, { method: 'POST', body, token })
    }
    return {
      ...{ lead: await as('lena'), leadName: 'lena' },
      ...{ technician: await as('tam'), technicianName: 'tam' },
    }
  }

  /** Waits until so many words of pages were tried. */
  async #tried(count: number): Promise<void> {
    await until(`${count} words are out`, async () => {
      const { told } = await this.hub.api<{ told: { attempts: object[] }[] }>('/api/v1/told')
      return told.filter(({ attempts }) => attempts.length > 0).length >= count
    })
  }

  async #state(number: number, wanted: string): Promise<void> {
    await until(`incident ${number} is ${wanted}`, async () => {
      const { incident } = await this.hub.api<{ incident: { state: string } }>(
        `/api/v1/incidents/${number}`,
      )
      return incident.state === wanted
    })
  }

  /** What the auditor keeps: the key and a checkpoint. */
  async keep(): Promise<void> {
    const note = await (await this.hub.fetch('/api/v1/ledger/checkpoint')).text()
    const status = await this.hub.api<{ verifierKeys: string[] }>('/api/v1/ledger/status')
    this.trust = { key: readVerifierKey(status.verifierKeys[0]!)!, older: readCheckpoint(note)! }
  }

  /** A new bundle, judged by what was kept. */
  async judge(query: string): Promise<Told> {
    const since = this.trust.older === undefined ? '' : `&since=${this.trust.older.size}`
    const answer = await this.hub.fetch(`/api/v1/ledger/bundle?${query}${since}`)
    if (!answer.ok) return { kind: 'refused', status: answer.status, text: await answer.text() }
    const file = new Uint8Array(await answer.arrayBuffer())
    return { kind: 'report', file, report: await verifyBundle(file, this.trust) }
  }

  /** Past the hub, as somebody with the file can; SQLite's own rules are off. */
  withDatabase<T>(work: (database: SqliteConnection) => T): T {
    const database = openSqlite(this.records)
    try {
      database.exec('pragma foreign_keys = off')
      return work(database)
    } finally {
      database.close()
    }
  }
}

/** All that a report says is wrong, with the check's name. */
export function faultsOf({ checks }: Report): string[] {
  return checks.flatMap(({ id, faults }) => faults.map((fault) => `${id}: ${fault}`))
}

/** The last hour and the next. */
export function period(): string {
  const at = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString()
  return `from=${at(-1)}&to=${at(1)}`
}
