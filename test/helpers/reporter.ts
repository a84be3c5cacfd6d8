import { randomUUID } from 'node:crypto'
import WebSocket from 'ws'
import type { Ack, Hello, HostLabels, HubFrame, Lane } from '../../collector/wire/frames.ts'
import { ReportEncoder } from '../../collector/wire/report.ts'
import { until } from './hub.ts'

/** A bare collector for tests: says hello, sends what it is told to, keeps every frame it gets. */
export class Reporter {
  readonly collector: string
  readonly epoch: string
  readonly labels: HostLabels
  readonly frames: HubFrame[] = []
  socket: WebSocket | undefined
  closed: { code: number; reason: string } | undefined
  acknowledged = 0
  #encoder = new ReportEncoder()

  constructor(
    instance: string,
    { collector = randomUUID() as string, epoch = 'e1', labels = {} as Partial<HostLabels> } = {},
  ) {
    this.collector = collector
    this.epoch = epoch
    this.labels = {
      job: 'callward',
      instance,
      server: instance,
      customer: 'bank',
      site: 'hq',
      role: 'pbx',
      env: 'test',
      ...labels,
    }
  }

  /** Opens the socket; with `hello` also greets and waits for the welcome. */
  async connect(
    hubUrl: string,
    token: string,
    { hello = true, series = ['test_value'], intervalSeconds = 1 } = {},
  ): Promise<void> {
    this.closed = undefined
    this.frames.length = 0
    this.#encoder = new ReportEncoder()
    const socket = new WebSocket(`${hubUrl.replace('http', 'ws')}/session`, {
      headers: { authorization: `Bearer ${token}` },
    })
    this.socket = socket
    socket.on('error', () => undefined)
    socket.on('message', (data) => {
      const frame = JSON.parse(String(data)) as HubFrame
      this.frames.push(frame)
      if (frame.type === 'ack' && frame.lane === 'live')
        this.acknowledged = Math.max(this.acknowledged, frame.sequence)
    })
    socket.on('close', (code, reason) => {
      this.closed = { code, reason: String(reason) }
    })
    await until(
      'the session is open',
      () => socket.readyState === WebSocket.OPEN || this.closed !== undefined,
    )
    if (this.closed !== undefined || !hello) return
    this.sendJson({ ...this.hello(), intervalSeconds })
    await until('welcome', () => this.frame('welcome') !== undefined || this.closed !== undefined)
    this.sendJson({ type: 'series', from: 0, series: series.map((name) => ({ name, labels: {} })) })
  }

  hello(): Hello {
    return {
      type: 'hello',
      protocols: [1],
      collector: this.collector,
      epoch: this.epoch,
      version: '0.0.0-test',
      labels: this.labels,
      intervalSeconds: 1,
      wall: Date.now(),
    }
  }

  frame<T extends HubFrame['type']>(type: T): Extract<HubFrame, { type: T }> | undefined {
    return this.frames.find((frame): frame is Extract<HubFrame, { type: T }> => frame.type === type)
  }

  sendJson(frame: unknown): void {
    this.socket?.send(JSON.stringify(frame))
  }

  /**
   * One report; `values[i]` belongs to series i of the dictionary. With a `wall` of its own and no `monotonic` that clock stands
   * still, so that the hub does not take the difference for an offset of the host's clock.
   */
  report(
    sequence: number,
    values: readonly number[],
    options: { readonly wall?: number; readonly monotonic?: number; readonly lane?: Lane } = {},
  ): void {
    const still = options.wall === undefined ? performance.now() : 0
    this.socket?.send(
      this.#encoder.encode({
        lane: options.lane ?? 'live',
        sequence,
        wall: options.wall ?? Date.now(),
        monotonic: options.monotonic ?? still,
        values: Float64Array.from(values),
        absent: undefined,
        stale: undefined,
      }),
    )
  }

  async acknowledgedUpTo(sequence: number): Promise<void> {
    await until(`ack of ${sequence}`, () => this.acknowledged >= sequence)
  }

  async untilClosed(): Promise<{ code: number; reason: string }> {
    return until('the session is closed', () => this.closed)
  }

  close(): void {
    this.socket?.close()
  }
}

export type { Ack }
