import Type, { type Static } from 'typebox'
import { Compile } from 'typebox/compile'
import { type Millis, rfc3339 } from '../clock.ts'

const Sequence = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const Key = Type.String({ minLength: 1, maxLength: 128 })
/** Sequences one `displayed` frame may name. */
const displayedNumbers = 100

/** What a client may send, by `type`; fields not named here are ignored, so that older hubs bear newer clients. */
const clientFrames = {
  subscribe: Type.Object({ type: Type.Literal('subscribe'), resume: Type.Optional(Sequence) }),
  acknowledge: Type.Union([
    Type.Object({
      type: Type.Literal('acknowledge'),
      target: Type.Literal('alert'),
      fingerprint: Key,
    }),
    Type.Object({ type: Type.Literal('acknowledge'), target: Type.Literal('incident'), id: Key }),
  ]),
  received: Type.Object({
    type: Type.Literal('received'),
    sequence: Sequence,
    after: Type.Optional(Sequence),
  }),
  displayed: Type.Object({
    type: Type.Literal('displayed'),
    sequences: Type.Array(Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }), {
      minItems: 1,
      maxItems: displayedNumbers,
    }),
  }),
  ping: Type.Object({
    type: Type.Literal('ping'),
    id: Type.Optional(Type.Union([Type.String({ maxLength: 128 }), Type.Number()])),
  }),
} as const

type ClientFrames = { [Name in keyof typeof clientFrames]: Static<(typeof clientFrames)[Name]> }
/** One frame from a client. */
export type ClientFrame = ClientFrames[keyof ClientFrames]

/** What an acknowledgement is about. */
export type AcknowledgeTarget =
  | { readonly target: 'alert'; readonly fingerprint: string }
  | { readonly target: 'incident'; readonly id: string }

const validators = {
  subscribe: Compile(clientFrames.subscribe),
  acknowledge: Compile(clientFrames.acknowledge),
  received: Compile(clientFrames.received),
  displayed: Compile(clientFrames.displayed),
  ping: Compile(clientFrames.ping),
} as const

/** What a frame's text turned out to be. */
export type ParsedFrame =
  | { readonly kind: 'frame'; readonly frame: ClientFrame }
  | { readonly kind: 'unknown'; readonly type: string }
  | { readonly kind: 'bad'; readonly message: string }

/** Reads one text frame; never throws. */
export function parseClientFrame(text: string): ParsedFrame {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return { kind: 'bad', message: 'The frame is not JSON. Send one JSON object a text frame.' }
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { kind: 'bad', message: 'The frame is not a JSON object with a "type".' }
  }
  const { type } = value as { type?: unknown }
  if (typeof type !== 'string') return { kind: 'bad', message: 'The frame has no "type".' }
  if (!isFrameType(type)) return { kind: 'unknown', type: type.slice(0, 64) }
  const validator = validators[type]
  // The validator has just shown that it is one.
  if (validator.Check(value)) return { kind: 'frame', frame: value as ClientFrame }
  const error = validator.Errors(value)[0]
  const where = error?.instancePath === '' ? '' : `${error?.instancePath} `
  return { kind: 'bad', message: `The ${type} frame is not valid: ${where}${error?.message}.` }
}

function isFrameType(type: string): type is keyof typeof validators {
  return Object.hasOwn(validators, type)
}

/** Kinds of pushed messages. */
export type MessageKind = 'alert' | 'incident' | 'page'

/** A committed message as it stands in a person's queue. */
export interface QueuedMessage {
  readonly sequence: number
  readonly at: Millis
  readonly kind: string
  /** JSON. */
  readonly body: string
}

/** Codes of an error frame; docs/live.md explains each. */
export type FrameErrorCode =
  | 'bad_frame'
  | 'unknown_type'
  | 'too_many_requests'
  | 'already_subscribed'
  | 'resume_ahead'
  | 'messages_pruned'
  | string

/** What the hub says first. */
export interface Welcome {
  readonly name: string
  readonly role: string
  /** Newest sequence of this person's queue; 0 when nothing was ever sent. */
  readonly sequence: number
  /** Oldest sequence that is still kept; 0 when there is none. */
  readonly oldest: number
  readonly hub: { readonly version: string; readonly simulated: boolean }
}

/** Texts of the frames the hub sends. */
export const serverFrames = {
  welcome: (welcome: Welcome) => JSON.stringify({ type: 'welcome', ...welcome }),
  /** The body is stored as JSON and goes out as it was committed. */
  message: ({ sequence, at, kind, body }: QueuedMessage) =>
    `{"type":"message","sequence":${sequence},"at":"${rfc3339(at)}","kind":${JSON.stringify(kind)},"body":${body}}`,
  hint: (topic: string) => JSON.stringify({ type: 'hint', topic }),
  acknowledged: (target: AcknowledgeTarget) => JSON.stringify({ type: 'acknowledged', ...target }),
  pong: (id: string | number | undefined) => JSON.stringify({ type: 'pong', id }),
  error: (code: FrameErrorCode, message: string, target?: AcknowledgeTarget) =>
    JSON.stringify({ type: 'error', code, message, ...target }),
}

/** WebSocket close codes of /live (4000-4999 are for applications, RFC 6455 §7.4.2). */
export const liveCloseCodes = {
  stopping: 1001,
  badFrames: 4400,
  signedOut: 4401,
  forbidden: 4403,
  slow: 4408,
  flood: 4429,
} as const
