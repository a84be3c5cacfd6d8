import { type ClientRequest, Agent as HttpAgent, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'

/** Told of an answer that grows beyond the limit; its connection is closed. */
type OnTooLong = () => void

function watch(request: ClientRequest, maxBytes: number, onTooLong: OnTooLong): void {
  request.once('response', (answer: IncomingMessage) => {
    let bytes = 0
    answer.on('data', (piece: string | Buffer) => {
      bytes += piece.length
      if (bytes <= maxBytes) return
      onTooLong()
      request.destroy()
    })
  })
}

/**
 * An agent that reads no answer beyond `maxBytes`: the package collects what comes without end. Node calls `addRequest` with each request, before
 * anything of its answer can have come.
 */
export function boundedAgent(
  protocol: string,
  maxBytes: number,
  onTooLong: OnTooLong,
): HttpAgent | HttpsAgent {
  // As the package has it without an agent of one's own: connections are kept.
  const options = { keepAlive: true, scheduling: 'lifo', timeout: 5000 } as const
  const agent = protocol === 'https:' ? new HttpsAgent(options) : new HttpAgent(options)
  // Not in Node's types.
  const adding = agent as unknown as {
    addRequest: (request: ClientRequest, ...rest: readonly unknown[]) => void
  }
  const add = adding.addRequest.bind(agent)
  adding.addRequest = (request, ...rest) => {
    watch(request, maxBytes, onTooLong)
    add(request, ...rest)
  }
  return agent
}
