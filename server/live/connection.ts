import type { Principal } from '../people/plugin.ts'
import {
  badFrame,
  type Connection,
  close,
  type LiveAction,
  type LiveInput,
  type LiveStep,
  say,
  staffRoles,
} from './connection-state.ts'
import { bufferedTold, headKnown, hintFor, pageRead, subscribed, woken } from './delivery.ts'
import { isReceipt, receiptArrived } from './receipts.ts'
import {
  type AcknowledgeTarget,
  type ClientFrame,
  liveCloseCodes,
  parseClientFrame,
  serverFrames,
} from './schema.ts'

const acknowledgingRoles: readonly string[] = ['admin', 'operator']

/** The next state and what to do; a closed connection does nothing any more. */
export function step(connection: Connection, input: LiveInput): LiveStep {
  if (connection.phase === 'closed') return [connection, []]
  switch (input.kind) {
    case 'frame':
    case 'binary':
      return frameArrived({ ...connection, heard: true }, input)
    case 'wake':
      return woken(connection, input.at, input.bufferedBytes)
    case 'head':
      return headKnown(connection, input.sequence)
    case 'page':
      return pageRead(connection, input)
    case 'readFailed':
      return [{ ...connection, reading: false, wokenWhileReading: false }, []]
    case 'buffered':
      return bufferedTold(connection, input.bytes)
    case 'pong':
      return [{ ...connection, heard: true }, []]
    case 'tick':
      return pingDue(connection, input.bufferedBytes)
    case 'hint':
      return [connection, hintFor(connection, input.topic, input.bufferedBytes)]
    case 'answered':
      return acknowledgementAnswered(connection, input)
    case 'rechecked':
      return rechecked(connection, input.person)
    case 'stop':
      return close(connection, liveCloseCodes.stopping, 'the hub is stopping; connect again')
    case 'gone':
      return [{ ...connection, phase: 'closed' }, []]
  }
}

// Frames of the client.

function frameArrived(
  connection: Connection,
  input: LiveInput & { kind: 'frame' | 'binary' },
): LiveStep {
  const { limits } = connection
  const started = input.at - connection.window.startedAt < 1000
  const window = started
    ? connection.window
    : { startedAt: input.at, frames: 0, receipts: 0, refused: 0 }
  if (window.frames + window.receipts + window.refused >= limits.floodPerSecond) {
    return close(connection, liveCloseCodes.flood, 'too many frames a second', [
      { kind: 'refused', reason: 'flood' },
    ])
  }
  const parsed =
    input.kind === 'binary'
      ? ({ kind: 'bad', message: 'Send text frames; binary frames are not understood.' } as const)
      : parseClientFrame(input.text)
  if (parsed.kind === 'frame' && isReceipt(parsed.frame)) {
    const counted = { ...window, receipts: window.receipts + 1 }
    return receiptArrived({ ...connection, window: counted }, parsed.frame)
  }
  if (window.frames >= limits.framesPerSecond) {
    const refusal: LiveAction = { kind: 'refused', reason: 'rate' }
    const message = `More than ${limits.framesPerSecond} frames a second; the rest of this second is refused. Send slower.`
    const told = window.refused === 0 ? [say('too_many_requests', message)] : []
    return [
      { ...connection, window: { ...window, refused: window.refused + 1 } },
      [refusal, ...told],
    ]
  }
  const counted = { ...connection, window: { ...window, frames: window.frames + 1 } }
  if (parsed.kind === 'bad') return badFrame(counted, parsed.message)
  const understood = { ...counted, badFramesInARow: 0 }
  if (parsed.kind === 'unknown') {
    const message = `"${parsed.type}" is not a frame this hub knows; it knows subscribe, acknowledge, received, displayed and ping.`
    return [understood, [{ kind: 'refused', reason: 'unknown_type' }, say('unknown_type', message)]]
  }
  return frameUnderstood(understood, parsed.frame)
}

function frameUnderstood(connection: Connection, frame: ClientFrame): LiveStep {
  switch (frame.type) {
    case 'subscribe':
      return subscribed(connection, frame.resume)
    case 'acknowledge':
      return acknowledgeAsked(
        connection,
        frame.target === 'alert'
          ? { target: 'alert', fingerprint: frame.fingerprint }
          : { target: 'incident', id: frame.id },
      )
    case 'ping':
      return [connection, [{ kind: 'send', text: serverFrames.pong(frame.id) }]]
    case 'received':
    case 'displayed':
      throw new Error('BUG: receipts are taken before')
  }
}

// Acknowledging.

function acknowledgeAsked(connection: Connection, target: AcknowledgeTarget): LiveStep {
  if (!acknowledgingRoles.includes(connection.person.role)) {
    const message = `The role ${connection.person.role} sees alerts and may not acknowledge them; that takes admin or operator.`
    return [
      connection,
      [{ kind: 'refused', reason: 'forbidden' }, say('forbidden', message, target)],
    ]
  }
  if (connection.pendingAcknowledgements >= connection.limits.pendingAcknowledgements) {
    const message = 'Earlier acknowledgements are still being recorded; try again shortly.'
    return [connection, [{ kind: 'refused', reason: 'busy' }, say('unavailable', message, target)]]
  }
  const pendingAcknowledgements = connection.pendingAcknowledgements + 1
  return [
    { ...connection, pendingAcknowledgements },
    [{ kind: 'acknowledge', target, person: connection.person }],
  ]
}

function acknowledgementAnswered(
  connection: Connection,
  { target, failure }: LiveInput & { kind: 'answered' },
): LiveStep {
  const answered = {
    ...connection,
    pendingAcknowledgements: connection.pendingAcknowledgements - 1,
  }
  if (failure === undefined)
    return [answered, [{ kind: 'send', text: serverFrames.acknowledged(target) }]]
  return [
    answered,
    [{ kind: 'refused', reason: failure.code }, say(failure.code, failure.message, target)],
  ]
}

// Life of the connection.

/** Alive is whoever answered, sent something, or took bytes since the last ping. */
function pingDue(connection: Connection, bufferedBytes: number): LiveStep {
  const alive = connection.heard || bufferedBytes < connection.bufferedAtPing
  const missedPings = alive ? 0 : connection.missedPings + 1
  if (missedPings >= 2) {
    return [
      { ...connection, phase: 'closed' },
      [{ kind: 'refused', reason: 'dead' }, { kind: 'terminate' }],
    ]
  }
  return [
    { ...connection, heard: false, missedPings, bufferedAtPing: bufferedBytes },
    [{ kind: 'ping' }],
  ]
}

function rechecked(connection: Connection, person: Principal | undefined): LiveStep {
  if (person === undefined) {
    return close(
      connection,
      liveCloseCodes.signedOut,
      'the token or session no longer holds; sign in again',
      [{ kind: 'refused', reason: 'signed_out' }],
    )
  }
  if (!staffRoles.includes(person.role) || person.id !== connection.person.id) {
    return close(
      connection,
      liveCloseCodes.forbidden,
      'the role was changed; it may not follow alerts',
      [{ kind: 'refused', reason: 'forbidden' }],
    )
  }
  return [{ ...connection, person }, []]
}
