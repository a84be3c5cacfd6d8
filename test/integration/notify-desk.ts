import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import type { Test } from 'tap'
import { buildApp } from '../../server/app.ts'
import { readHubConfig } from '../../server/config.ts'
import { prepareDataFolder } from '../../server/first-start.ts'
import { adminToken } from '../helpers/hub.ts'
import { MovedClock } from './changes-desk.ts'

export interface Pem {
  readonly key: string
  readonly cert: string
}

/** A certificate for 127.0.0.1 and localhost, made by openssl; its own authority. */
export function ownCertificate(folder: string): Pem {
  const [key, cert] = [join(folder, 'peer.key'), join(folder, 'peer.crt')]
  const names = 'subjectAltName=IP:127.0.0.1,IP:127.0.0.2,DNS:localhost'
  const argv = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-days',
    '2',
  ]
  execFileSync(
    'openssl',
    [...argv, '-subj', '/CN=peer', '-addext', names, '-keyout', key, '-out', cert],
    { stdio: 'pipe' },
  )
  return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') }
}

export interface Heard {
  readonly request: IncomingMessage
  readonly body: string
}

/** A receiver of webhooks at an address of this machine; by TLS when it has a certificate. */
export async function receiver(
  t: Test,
  answer: (heard: Heard, response: Parameters<RequestListener>[1]) => void,
  { pem, address = '127.0.0.1' }: { pem?: Pem; address?: string } = {},
): Promise<{ port: number; heard: Heard[]; url: string }> {
  const heard: Heard[] = []
  const listener: RequestListener = (request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text
    })
    request.on('end', () => {
      const one = { request, body }
      heard.push(one)
      answer(one, response)
    })
  }
  const server = pem === undefined ? createServer(listener) : createTlsServer(pem, listener)
  server.listen(0, address)
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { port, heard, url: `${pem === undefined ? 'http' : 'https'}://${address}:${port}/hook` }
}

/** A mail relay; what it took, as it came over the wire. */
export async function relay(
  t: Test,
  options: SMTPServerOptions,
): Promise<{ port: number; mails: string[]; tls: boolean[] }> {
  const mails: string[] = []
  const tls: boolean[] = []
  const server = new SMTPServer({
    authOptional: true,
    logger: false,
    onData(stream, session, done) {
      let text = ''
      stream.setEncoding('utf8')
      stream.on('data', (chunk: string) => {
        text += chunk
      })
      stream.on('end', () => {
        mails.push(text)
        tls.push(session.secure)
        done()
      })
    },
    ...options,
  })
  // A client that finds the certificate wrong goes away in the middle.
  server.on('error', () => undefined)
  const listening = server.listen(0, '127.0.0.1')
  await once(listening, 'listening')
  t.teardown(() => new Promise<void>((resolve) => server.close(() => resolve())))
  return { port: (listening.address() as AddressInfo).port, mails, tls }
}

export interface Answer {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: answers are compared with what a test expects of them
  readonly body: any
}

/** The whole hub in this process; two operators, an auditor, the bootstrap administrator. */
export class NotifyDesk {
  readonly app: FastifyInstance
  readonly clock: MovedClock
  readonly data: string
  readonly tokens: Record<string, string>

  private constructor(
    app: FastifyInstance,
    clock: MovedClock,
    data: string,
    tokens: Record<string, string>,
  ) {
    this.app = app
    this.clock = clock
    this.data = data
    this.tokens = tokens
  }

  static async start(
    t: Test,
    folder: string,
    hub: Record<string, unknown> = {},
    recordsUrl?: string,
    clock = new MovedClock(),
  ): Promise<NotifyDesk> {
    const file = join(folder, 'callward.yaml')
    writeFileSync(
      file,
      JSON.stringify({ hub: { notifyAllow: ['127.0.0.1', '127.0.0.2', '::1'], ...hub } }),
    )
    const config = readHubConfig({
      CALLWARD_CONFIG: file,
      CALLWARD_DATA: join(folder, 'data'),
      CALLWARD_ADMIN_TOKEN: adminToken,
      CALLWARD_LOG: 'silent',
      ...(recordsUrl === undefined ? {} : { CALLWARD_RECORDS: recordsUrl }),
    })
    mkdirSync(config.data, { recursive: true })
    prepareDataFolder(config)
    const app = await buildApp(config, clock)
    t.teardown(() => app.close())
    await app.ready()
    const tokens: Record<string, string> = { admin: adminToken }
    for (const [name, role] of [
      ['anna', 'operator'],
      ['ben', 'operator'],
      ['vera', 'auditor'],
    ] as const)
      tokens[name] = (await app.access.people.createToken(name, role, '')).token
    return new NotifyDesk(app, clock, config.data, tokens)
  }

  async as(
    who: string,
    method: 'GET' | 'POST' | 'DELETE',
    url: string,
    payload?: object,
  ): Promise<Answer> {
    const response = await this.app.inject({
      method,
      url: `/api/v1${url}`,
      headers: { authorization: `Bearer ${this.tokens[who]}` },
      ...(payload === undefined ? {} : { payload }),
    })
    return { status: response.statusCode, body: response.body === '' ? undefined : response.json() }
  }

  /** Id of a new contact point. */
  async point(who: string, channel: string, settings: object, more: object = {}): Promise<string> {
    const made = await this.as(who, 'POST', '/contact-points', {
      channel,
      label: channel,
      settings,
      ...more,
    })
    if (made.status !== 201) throw new Error(JSON.stringify(made.body))
    return made.body.contactPoint.id as string
  }

  send(contactPoint: string, key: string, more: object = {}, signal?: AbortSignal) {
    return this.app.notify.send({
      contactPoint,
      idempotencyKey: key,
      message: {
        kind: 'firing',
        title: 'calls fail',
        severity: 'critical',
        server: 'pbx-01',
        ...more,
      },
      ...(signal === undefined ? {} : { signal }),
    })
  }
}
