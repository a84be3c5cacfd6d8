import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

interface Pair {
  readonly client: Socket
  /** Made when it is first forwarded. */
  hub: Socket | undefined
}

/** Passes TCP connections on to a port, and can stop doing so without closing any: a network that has become a hole. */
export class StallingRelay {
  readonly #target: number
  readonly #pairs = new Set<Pair>()
  readonly #server = createServer((client) => this.#take(client))
  #stalled = false

  constructor(target: number) {
    this.#target = target
  }

  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return (this.#server.address() as { port: number }).port
  }

  /** From now on nothing is forwarded, no data and no end; new connections are taken and hang. */
  stall(): void {
    this.#stalled = true
    for (const { client, hub } of this.#pairs) {
      client.pause()
      hub?.pause()
    }
  }

  /** Forwards again: what was held, and the ends that came meanwhile. */
  resume(): void {
    this.#stalled = false
    for (const pair of this.#pairs) {
      const { client, hub } = pair
      if (client.destroyed || hub?.destroyed === true) this.#end(pair)
      else if (hub === undefined) this.#join(pair)
      else {
        client.resume()
        hub.resume()
      }
    }
  }

  close(): void {
    this.#server.close()
    for (const pair of this.#pairs) this.#end(pair)
  }

  #take(client: Socket): void {
    const pair: Pair = { client, hub: undefined }
    this.#pairs.add(pair)
    client.on('error', () => undefined)
    client.on('close', () => this.#closed(pair))
    if (this.#stalled) client.pause()
    else this.#join(pair)
  }

  #join(pair: Pair): void {
    const { client } = pair
    const hub = connect(this.#target, '127.0.0.1')
    pair.hub = hub
    hub.on('error', () => undefined)
    hub.on('close', () => this.#closed(pair))
    client.on('data', (data) => hub.write(data))
    hub.on('data', (data) => client.write(data))
    client.resume()
  }

  #closed(pair: Pair): void {
    if (!this.#stalled) this.#end(pair)
  }

  #end(pair: Pair): void {
    this.#pairs.delete(pair)
    pair.client.destroy()
    pair.hub?.destroy()
  }
}
