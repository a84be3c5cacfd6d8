import {
  type Connection,
  close,
  type LiveAction,
  type LiveInput,
  type LiveStep,
  say,
} from './connection-state.ts'
import { liveCloseCodes, type QueuedMessage, serverFrames } from './schema.ts'

/** A subscription: with `resume` everything after it first. */
export function subscribed(connection: Connection, resume: number | undefined): LiveStep {
  if (connection.phase !== 'welcomed') {
    return [
      connection,
      [
        { kind: 'refused', reason: 'already_subscribed' },
        say(
          'already_subscribed',
          'This connection is subscribed; open another to resume elsewhere.',
        ),
      ],
    ]
  }
  if (resume === undefined) return readMore({ ...connection, phase: 'following' })
  // Another socket of this client may have been ahead of this one's welcome: ask again before saying no.
  if (resume > connection.cursor)
    return [
      { ...connection, phase: 'checking', cursor: resume, start: resume, reading: true },
      [{ kind: 'readHead' }],
    ]
  return readMore({ ...connection, phase: 'following', cursor: resume, start: resume })
}

/** The newest sequence, asked for because the client was ahead of its welcome. */
export function headKnown(connection: Connection, head: number): LiveStep {
  if (connection.phase !== 'checking')
    throw new Error(`BUG: the head was not asked for in phase ${connection.phase}`)
  const following: Connection = {
    ...connection,
    phase: 'following',
    reading: false,
    wokenWhileReading: false,
  }
  if (connection.cursor <= head) return readMore(following)
  const message = `This queue ends at ${head}, before ${connection.cursor}: the hub was restored from an older copy. Load the present state anew; only new messages follow.`
  const [next, actions] = readMore({ ...following, cursor: head, start: head, received: 0 })
  return [
    next,
    [{ kind: 'refused', reason: 'resume_ahead' }, say('resume_ahead', message), ...actions],
  ]
}

/** Something was committed, or the sweep came by. */
export function woken(connection: Connection, at: number, bufferedBytes: number): LiveStep {
  if (connection.phase === 'welcomed') return [connection, []]
  if (connection.reading) return [{ ...connection, wokenWhileReading: true }, []]
  if (connection.phase === 'checking') {
    return [{ ...connection, reading: true }, [{ kind: 'readHead' }]]
  }
  const { paused, limits } = connection
  if (paused === undefined || bufferedBytes < limits.bufferedBytes / 2) {
    return readMore({ ...connection, paused: undefined })
  }
  if (bufferedBytes < paused.bytes) {
    return [{ ...connection, paused: { since: at, bytes: bufferedBytes } }, []]
  }
  if (at - paused.since < limits.stalledMs) return [connection, []]
  return close(connection, liveCloseCodes.slow, 'too slow; connect again and resume', [
    { kind: 'refused', reason: 'slow' },
  ])
}

function readMore(connection: Connection): LiveStep {
  return [
    { ...connection, reading: true, wokenWhileReading: false },
    [{ kind: 'read', after: connection.cursor, limit: connection.limits.pageMessages }],
  ]
}

/** A page of committed messages after the cursor, in order; what does not fit the socket is read again later. */
export function pageRead(
  connection: Connection,
  { messages, bufferedBytes, at }: LiveInput & { kind: 'page' },
): LiveStep {
  const { limits } = connection
  const taken = fitting(messages, limits.bufferedBytes - bufferedBytes)
  const actions = [...gapBefore(connection, taken[0])]
  let cursor = connection.cursor
  for (const message of taken) {
    if (message.sequence <= cursor) {
      throw new Error(`BUG: message ${message.sequence} was read after ${cursor}`)
    }
    cursor = message.sequence
    actions.push({ kind: 'send', text: serverFrames.message(message), message: message.kind })
  }
  const sent = { ...connection, reading: false, cursor }
  if (taken.length < messages.length) {
    // Whatever the socket took of this page by the next wake-up counts as taken.
    return [{ ...sent, paused: { since: at, bytes: Number.MAX_SAFE_INTEGER } }, actions]
  }
  if (messages.length < limits.pageMessages && !connection.wokenWhileReading) return [sent, actions]
  const [next, more] = readMore(sent)
  return [next, [...actions, ...more]]
}

function gapBefore({ cursor }: Connection, first: QueuedMessage | undefined): LiveAction[] {
  if (first === undefined || first.sequence === cursor + 1) return []
  const lost = `Messages ${cursor + 1} to ${first.sequence - 1} are no longer kept; load the present state anew.`
  return [{ kind: 'refused', reason: 'messages_pruned' }, say('messages_pruned', lost)]
}

/** As many as fit the room; where there is any room one at least, so that a large message passes too. */
function fitting(messages: readonly QueuedMessage[], roomBytes: number): readonly QueuedMessage[] {
  let bytes = 0
  let count = 0
  for (const message of messages) {
    if (bytes >= roomBytes) break
    bytes += message.body.length
    if (count > 0 && bytes > roomBytes) break
    count += 1
  }
  return messages.slice(0, count)
}

/** What still waits in the socket; when half the limit was taken, a paused connection goes on. */
export function bufferedTold(connection: Connection, bytes: number): LiveStep {
  if (connection.paused === undefined || bytes >= connection.limits.bufferedBytes / 2) {
    return [connection, []]
  }
  return readMore({ ...connection, paused: undefined })
}

/** A hint, unless the client is behind anyway. */
export function hintFor(
  connection: Connection,
  topic: string,
  bufferedBytes: number,
): readonly LiveAction[] {
  if (connection.phase !== 'following') return []
  if (bufferedBytes >= connection.limits.bufferedBytes / 4) return []
  return [{ kind: 'send', text: serverFrames.hint(topic) }]
}
