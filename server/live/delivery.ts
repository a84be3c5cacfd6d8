import { type Connection, close, type LiveAction, type LiveStep, say } from './connection-state.ts'
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
  if (resume === undefined) return readMore({ ...connection, phase: 'replaying' })
  // Another socket of this client may have been ahead of this one's welcome: ask again before saying no.
  if (resume > connection.cursor)
    return [
      { ...connection, phase: 'checking', cursor: resume, reading: true },
      [{ kind: 'readHead' }],
    ]
  return readMore({ ...connection, phase: 'replaying', cursor: resume })
}

/** The newest sequence, asked for because the client was ahead of its welcome. */
export function headKnown(connection: Connection, head: number): LiveStep {
  if (connection.phase !== 'checking')
    throw new Error(`BUG: the head was not asked for in phase ${connection.phase}`)
  const following: Connection = {
    ...connection,
    phase: 'replaying',
    reading: false,
    wokenWhileReading: false,
  }
  if (connection.cursor <= head) return readMore(following)
  const message = `This queue ends at ${head}, before ${connection.cursor}: the hub was restored from an older copy. Load the present state anew; only new messages follow.`
  const [next, actions] = readMore({ ...following, cursor: head })
  return [
    next,
    [{ kind: 'refused', reason: 'resume_ahead' }, say('resume_ahead', message), ...actions],
  ]
}

/** Something was committed, or the sweep came by. */
export function woken(connection: Connection): LiveStep {
  if (connection.phase === 'welcomed') return [connection, []]
  if (connection.reading) return [{ ...connection, wokenWhileReading: true }, []]
  if (connection.phase === 'checking')
    return [{ ...connection, reading: true }, [{ kind: 'readHead' }]]
  if (connection.paused) return [connection, []]
  return readMore(connection)
}

function readMore(connection: Connection): LiveStep {
  return [
    { ...connection, reading: true, wokenWhileReading: false },
    [{ kind: 'read', after: connection.cursor, limit: connection.limits.pageMessages }],
  ]
}

/** A page of committed messages after the cursor, in order. */
export function pageRead(
  connection: Connection,
  messages: readonly QueuedMessage[],
  bufferedBytes: number,
): LiveStep {
  const actions: LiveAction[] = []
  const idle = { ...connection, reading: false }
  const first = messages[0]
  if (first !== undefined && first.sequence > connection.cursor + 1) {
    actions.push({ kind: 'refused', reason: 'messages_pruned' })
    actions.push(
      say(
        'messages_pruned',
        `Messages ${connection.cursor + 1} to ${first.sequence - 1} are no longer kept; load the present state anew.`,
      ),
    )
  }
  const taken =
    connection.phase === 'replaying'
      ? fitting(messages, connection.limits.pauseBytes - bufferedBytes)
      : messages
  let cursor = connection.cursor
  for (const message of taken) {
    if (message.sequence <= cursor)
      throw new Error(`BUG: message ${message.sequence} was read after ${cursor}`)
    cursor = message.sequence
    actions.push({ kind: 'send', text: serverFrames.message(message), message: message.kind })
  }
  const sent = { ...idle, cursor }
  if (taken.length < messages.length) return [{ ...sent, paused: true }, actions]
  if (messages.length < connection.limits.pageMessages && !connection.wokenWhileReading) {
    return [{ ...sent, phase: 'live' }, actions]
  }
  const [next, more] = readMore(sent)
  return [next, [...actions, ...more]]
}

/** As many as fit the room, at least one so that the replay moves on. */
function fitting(messages: readonly QueuedMessage[], roomBytes: number): readonly QueuedMessage[] {
  let bytes = 0
  let count = 0
  for (const message of messages) {
    bytes += message.body.length
    if (count > 0 && bytes > roomBytes) break
    count += 1
  }
  return messages.slice(0, count)
}

/** What still waits in the socket: too much ends the connection, little lets a paused replay go on. */
export function bufferedTold(connection: Connection, bytes: number): LiveStep {
  const { limits } = connection
  if (bytes > limits.bufferedBytes) {
    return close(connection, liveCloseCodes.slow, 'too slow; connect again and resume', [
      { kind: 'refused', reason: 'slow' },
    ])
  }
  if (!connection.paused || bytes >= limits.pauseBytes / 2) return [connection, []]
  return readMore({ ...connection, paused: false })
}

/** A hint, unless the client is behind anyway. */
export function hintFor(
  connection: Connection,
  topic: string,
  bufferedBytes: number,
): readonly LiveAction[] {
  if (connection.phase !== 'replaying' && connection.phase !== 'live') return []
  return bufferedBytes < connection.limits.pauseBytes
    ? [{ kind: 'send', text: serverFrames.hint(topic) }]
    : []
}
