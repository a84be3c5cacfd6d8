// People who follow /live, in a process of their own. Told by messages of the parent: where, their tokens, when to begin a round.
import WebSocket from 'ws'

interface Begin {
  readonly kind: 'connect'
  readonly url: string
  readonly tokens: readonly string[]
}

/** A round: everybody waits for the alert of `instance`; then each says received, displayed and acknowledges it. */
interface Round {
  readonly kind: 'round'
  readonly instance: string
}

/** What a round was like, in nanoseconds of the machine's monotonic clock. */
export interface RoundTold {
  readonly kind: 'reached' | 'acknowledged'
  readonly times: readonly string[]
}

const connectingAtOnce = 50
let round: { instance: string; reached: bigint[]; acknowledged: bigint[] } | undefined
let people = 0

function tell(message: object): void {
  process.send?.(message)
}

function arrived(socket: WebSocket, text: string): void {
  if (round === undefined) return
  if (text.startsWith('{"type":"message"')) {
    if (!text.includes('"change":"firing"') || !text.includes(`"${round.instance}"`)) return
    round.reached.push(process.hrtime.bigint())
    answer(socket, text)
    if (round.reached.length === people) told('reached', round.reached)
  } else if (text.startsWith('{"type":"acknowledged"')) {
    round.acknowledged.push(process.hrtime.bigint())
    if (round.acknowledged.length === people) told('acknowledged', round.acknowledged)
  }
}

/** The three receipts, once everybody was reached: people take longer than the last message. */
const answers: (() => void)[] = []

function answer(socket: WebSocket, text: string): void {
  const { sequence, body } = JSON.parse(text) as {
    sequence: number
    body: { alert: { fingerprint: string } }
  }
  socket.send(JSON.stringify({ type: 'received', sequence }))
  socket.send(JSON.stringify({ type: 'displayed', sequences: [sequence] }))
  const { fingerprint } = body.alert
  answers.push(() =>
    socket.send(JSON.stringify({ type: 'acknowledge', target: 'alert', fingerprint })),
  )
}

function told(kind: RoundTold['kind'], times: readonly bigint[]): void {
  tell({ kind, times: times.map(String) } satisfies RoundTold)
  if (kind === 'reached') for (const send of answers.splice(0)) send()
}

function connect(url: string, token: string): Promise<void> {
  const socket = new WebSocket(url, {
    headers: { authorization: `Bearer ${token}` },
    perMessageDeflate: false,
  })
  return new Promise((resolve, reject) => {
    socket.on('error', reject)
    socket.on('close', (code, reason) => {
      process.stderr.write(`a person was disconnected: ${code} ${reason}\n`)
      process.exit(1)
    })
    socket.on('message', (data) => {
      const text = String(data)
      if (text.startsWith('{"type":"welcome"')) {
        socket.send('{"type":"subscribe"}')
        resolve()
      } else arrived(socket, text)
    })
  })
}

async function connectAll({ url, tokens }: Begin): Promise<void> {
  for (let from = 0; from < tokens.length; from += connectingAtOnce) {
    const some = tokens.slice(from, from + connectingAtOnce)
    await Promise.all(some.map((token) => connect(url, token)))
  }
  people = tokens.length
  tell({ kind: 'connected' })
}

process.on('message', (message: Begin | Round) => {
  if (message.kind === 'connect') void connectAll(message)
  else {
    round = { instance: message.instance, reached: [], acknowledged: [] }
    tell({ kind: 'waiting' })
  }
})
process.once('disconnect', () => process.exit())
