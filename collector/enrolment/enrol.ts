import { type KeyObject, randomBytes } from 'node:crypto'
import Type from 'typebox'
import Value from 'typebox/value'
import { identityTranscript, registrationTranscript } from '../wire/handshake.ts'
import { bindingOf, channelOf, isLocalName } from './channel.ts'
import {
  EnrolledLabels,
  EnrolmentError,
  type EnrolmentFile,
  requireRoom,
  writeEnrolment,
} from './files.ts'
import { type HubAnswer, HubCall, NoAnswer } from './hub-call.ts'
import {
  fingerprintOf,
  fromBase64url,
  isSignedBy,
  newKeyPair,
  privateKeyText,
  signed,
  toBase64url,
} from './keys.ts'
import { type MachineFacts, machineFingerprint } from './machine.ts'
import { SessionCountFile } from './session-count.ts'

const nonceBytes = 32
const saltBytes = 32
const linkBytes = 32
/** Of one command, where answers are lost. */
const attempts = 3

export interface EnrolOptions {
  /** Address of the hub, http(s): or ws(s):. */
  readonly hub: string
  readonly token: string
  /** Fingerprint of the hub's public key, `SHA256:...`. */
  readonly hubKey: string
  /** What this host wants to be called; the token may say otherwise. */
  readonly instance: string
  readonly version: string
  readonly folder: string
  readonly machine: MachineFacts
}

const Identity = Type.Object({
  hubKey: Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' }),
  binding: Type.Enum(['tls-exporter', 'tls-proxy', 'local']),
  signature: Type.String({ pattern: '^[A-Za-z0-9_-]{86}$' }),
})

const Registered = Type.Object({
  enrolment: Type.String({ pattern: '^[0-9a-f-]{36}$' }),
  instance: Type.String({ minLength: 1, maxLength: 128 }),
  labels: EnrolledLabels,
})

/** What a host brings to its registration; the same at every attempt. */
interface Draft {
  readonly privateKey: KeyObject
  readonly publicKey: Uint8Array
  readonly salt: Buffer
  readonly link: Buffer
}

/**
 * Makes this host's key pair, sees that the hub is the one of `hubKey`, and registers by the one-time token, all on one connection.
 * The token is not sent before the hub has proven itself. A lost answer is asked for again with the same key. Throws EnrolmentError.
 */
export async function enrol(options: EnrolOptions): Promise<EnrolmentFile> {
  const address = hubAddress(options.hub)
  requireRoom(options.folder)
  const draft: Draft = {
    ...newKeyPair(),
    salt: randomBytes(saltBytes),
    link: randomBytes(linkBytes),
  }
  for (let left = attempts; ; left--) {
    try {
      return await attempt(address, draft, options)
    } catch (error) {
      if (!(error instanceof NoAnswer) || left <= 1) throw error
    }
  }
}

async function attempt(
  address: string,
  draft: Draft,
  options: EnrolOptions,
): Promise<EnrolmentFile> {
  const call = await HubCall.open(address)
  try {
    const hubKey = await provenKey(call, options.hubKey)
    return await register(call, address, hubKey, draft, options)
  } finally {
    call.close()
  }
}

/** The address as a session takes it. Throws EnrolmentError for one that others could listen to. */
function hubAddress(text: string): string {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw new EnrolmentError(
      `"${text}" is no address. Example: --hub https://hub.bank.example:9770`,
    )
  }
  if (!/^(https?|wss?):$/.test(url.protocol))
    throw new EnrolmentError(`The hub's address starts with https://, not ${url.protocol}//.`)
  const plain = url.protocol === 'http:' || url.protocol === 'ws:'
  if (plain && !isLocalName(url.hostname))
    throw new EnrolmentError(
      `${text} is not protected by TLS, which is required off this machine. Use https://; on the hub set hub.tls, or hub.behindTlsProxy where a proxy ends TLS.`,
    )
  return `${plain ? 'ws' : 'wss'}://${url.host}${url.pathname.replace(/\/+$/, '')}`
}

/** The hub's public key, once it has proven on this very connection that it holds the private one. */
async function provenKey(call: HubCall, fingerprint: string): Promise<Uint8Array> {
  const nonce = randomBytes(nonceBytes)
  const answer = await call.post('/api/v1/hub-identity', { nonce: toBase64url(nonce) })
  if (answer.status !== 200 || !Value.Check(Identity, answer.body))
    throw new EnrolmentError(
      refusalText(answer, 'What answers there is not a Callward hub of this version.'),
    )
  const { hubKey: text, binding: kind, signature } = answer.body
  const hubKey = fromBase64url(text)
  if (fingerprintOf(hubKey) !== fingerprint)
    throw new EnrolmentError(
      `Stopped, nothing was sent: who answers has the key ${fingerprintOf(hubKey)}, the line you pasted is for ${fingerprint}. ` +
        'Another hub is at this address, or somebody stands between. Make a new line on the hub: callward enrol',
    )
  const bindingBytes = bindingOf(kind, channelOf(call.socket))
  if (typeof bindingBytes === 'string')
    throw new EnrolmentError(`Stopped, nothing was sent: ${bindingBytes}.`)
  const message = identityTranscript({ nonce, hubKey, binding: kind, bindingBytes })
  if (!isSignedBy(hubKey, message, signature))
    throw new EnrolmentError(
      'Stopped, nothing was sent: the hub’s signature is not of this connection. Somebody stands between, or a proxy ends TLS and the hub does not know (hub.behindTlsProxy).',
    )
  return hubKey
}

async function register(
  call: HubCall,
  address: string,
  hubKey: Uint8Array,
  { privateKey, publicKey, salt, link }: Draft,
  options: EnrolOptions,
): Promise<EnrolmentFile> {
  const machine = machineFingerprint(options.machine, salt)
  const { token, instance, version, folder } = options
  const message = registrationTranscript({
    token,
    hubKey,
    collectorKey: publicKey,
    instance,
    link,
    machine,
  })
  const answer = await call.post('/api/v1/enrolments', {
    token,
    instance,
    version,
    publicKey: toBase64url(publicKey),
    link: toBase64url(link),
    machine,
    signature: signed(privateKey, message),
  })
  if (answer.status !== 201 || !Value.Check(Registered, answer.body))
    throw new EnrolmentError(refusalText(answer, 'The hub’s answer cannot be read.'))
  const enrolment: EnrolmentFile = {
    version: 1,
    enrolment: answer.body.enrolment,
    instance: answer.body.instance,
    hub: address,
    hubKey: toBase64url(hubKey),
    privateKey: privateKeyText(privateKey),
    salt: toBase64url(salt),
    labels: answer.body.labels,
  }
  writeEnrolment(folder, enrolment)
  SessionCountFile.create(folder, {
    enrolment: enrolment.enrolment,
    current: { counter: 0, link: toBase64url(link) },
    tried: [],
  })
  return enrolment
}

function refusalText({ status, body }: HubAnswer, otherwise: string): string {
  const message = (body as { error?: { message?: unknown } } | undefined)?.error?.message
  return typeof message === 'string'
    ? `The hub refuses: ${message.slice(0, 500)}`
    : `${otherwise} (status ${status})`
}
