import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import WebSocket from 'ws'
import type { TestHub } from '../helpers/hub.ts'
import { breaching, Fleet } from './fleet.ts'
import {
  type Benchmark,
  callward,
  http,
  inScratch,
  median,
  progress,
  quantile,
  repeats,
  Sheet,
  sized,
} from './kit.ts'
import { openSessions, sendRounds } from './load-session.ts'
import { Peer, peerTitle, peerVersion } from './peers.ts'
import { fleetLabels, remoteWrite } from './remote-write.ts'
import { BenchHub } from './subjects.ts'

const trials = sized(30, 5)
const backgroundHosts = 100
const waitMillis = 20_000
const rule = 'FilesystemAlmostFull'

/** Resolves with the moment at which something was seen, by instance. */
export class Sightings {
  readonly #waiting = new Map<string, (at: number) => void>()

  async of(instance: string): Promise<number> {
    const seen = new Promise<number>((resolve) => this.#waiting.set(instance, resolve))
    const late = delay(waitMillis, undefined, { ref: false }).then(() => {
      throw new Error(`no alert of ${instance} within ${waitMillis} ms`)
    })
    return Promise.race([seen, late])
  }

  saw(instance: string): void {
    this.#waiting.get(instance)?.(performance.now())
    this.#waiting.delete(instance)
  }
}

interface LiveFrame {
  readonly type: string
  readonly kind?: string
  readonly body?: { change: string; alert?: { rule: string; instance?: string } }
}

/** A person's tab: an open /live that reports each firing of the rule. */
export async function watchLive(
  hub: TestHub,
  sightings: Sightings,
  watched = rule,
): Promise<WebSocket> {
  const token = await hub.token('watcher', 'operator')
  const socket = new WebSocket(`${hub.url.replace('http', 'ws')}/live`, {
    headers: { authorization: `Bearer ${token}` },
  })
  await new Promise<void>((resolve, reject) => {
    socket.on('error', reject)
    socket.on('message', (data) => {
      const frame = JSON.parse(String(data)) as LiveFrame
      if (frame.type === 'welcome') {
        socket.send(JSON.stringify({ type: 'subscribe' }))
        resolve()
      }
      if (frame.type !== 'message' || frame.kind !== 'alert') return
      const { change, alert } = frame.body ?? {}
      if (change === 'firing' && alert?.rule === watched) sightings.saw(alert.instance ?? '')
    })
  })
  return socket
}

/** Five minutes of history for a fleet, then its hosts report each 10 s, one after the other, until stopped. */
async function inBackground(hub: TestHub, token: string): Promise<() => void> {
  const fleet = new Fleet(backgroundHosts, undefined, 'background')
  const sessions = await openSessions(hub.url, token, fleet, 10)
  const begin = Date.now() - 310_000
  await sendRounds(sessions, 'backlog', fleet.rounds(30), (round) => begin + round * 10_000)
  let next = 0
  const timer = setInterval(() => {
    if (next % backgroundHosts === 0) fleet.advance()
    const host = next++ % backgroundHosts
    sessions[host]!.sendNow('live', Date.now(), fleet.values(host))
  }, 10_000 / backgroundHosts)
  return () => {
    clearInterval(timer)
    for (const session of sessions) session.close()
  }
}

async function hubTrials(folder: string, busy: boolean): Promise<number[]> {
  const { hub } = await BenchHub.start(folder)
  const sightings = new Sightings()
  let stop = () => {}
  try {
    const token = await hub.token('bench', 'collector')
    const fleet = new Fleet(trials, undefined, 'trial')
    const sessions = await openSessions(hub.url, token, fleet, 60)
    if (busy) stop = await inBackground(hub, token)
    await sendRounds(sessions, 'live', fleet.rounds(1), () => Date.now())
    const live = await watchLive(hub, sightings)
    await delay(2000)
    const millis = []
    for (const [host, session] of sessions.entries()) {
      await delay(100 + Math.random() * 200)
      const seen = sightings.of(session.labels.instance)
      const began = performance.now()
      session.sendNow('live', Date.now(), breaching(fleet, host))
      millis.push((await seen) - began)
    }
    live.close()
    for (const session of sessions) session.close()
    return millis
  } finally {
    stop()
    await hub.stop()
  }
}

interface PrometheusAlerts {
  readonly data: { alerts: { state: string; labels: Record<string, string> }[] }
}

async function prometheusTrials(folder: string): Promise<number[]> {
  const peer = await Peer.start('prometheus', folder, { intervalSeconds: 1 })
  try {
    const fleet = new Fleet(trials, undefined, 'trial')
    const labels = fleetLabels(fleet)
    const push = (host: number, values: Float64Array) =>
      remoteWrite(
        `${peer.url}/api/v1/write`,
        labels[host]!.map((encoded, shape) => ({
          labels: encoded,
          times: [Date.now()],
          values: [values[shape]!],
        })),
      )
    for (let host = 0; host < trials; host++) await push(host, fleet.values(host))
    await delay(2000)
    const millis = []
    for (const [host, { instance }] of fleet.hosts.entries()) {
      // Anywhere between two evaluations.
      await delay(Math.random() * 1000)
      const began = performance.now()
      await push(host, breaching(fleet, host))
      while (!(await isFiring(peer, instance))) {
        if (performance.now() - began > waitMillis) throw new Error(`no alert of ${instance}`)
        await delay(5)
      }
      millis.push(performance.now() - began)
    }
    return millis
  } finally {
    await peer.stop()
  }
}

async function isFiring(peer: Peer, instance: string): Promise<boolean> {
  const { body } = await http(`${peer.url}/api/v1/alerts`)
  const { data } = JSON.parse(body.toString()) as PrometheusAlerts
  return data.alerts.some(
    ({ state, labels }) =>
      state === 'firing' && labels['alertname'] === rule && labels['instance'] === instance,
  )
}

export const alert: Benchmark = {
  name: 'alert',
  async run() {
    const sheet = new Sheet()
    const prometheus = peerTitle('prometheus')
    const add = (load: string, subject: string, millis: readonly number[]) => {
      const row = { unit: 'ms', better: 'less' as const }
      sheet.add({ ...row, name: `${load}: median` }, subject, median(millis))
      sheet.add({ ...row, name: `${load}: p99` }, subject, quantile(millis, 0.99))
      progress(
        `alert: ${subject}, ${load}: median ${median(millis).toFixed(1)}, worst ${quantile(millis, 1).toFixed(1)} ms`,
      )
    }
    const idle = 'idle'
    const busy = `${backgroundHosts} hosts reporting`
    for (let repeat = 1; repeat <= repeats; repeat++) {
      await inScratch(async (folder) => {
        add(idle, callward, await hubTrials(join(folder, 'idle'), false))
        add(busy, callward, await hubTrials(join(folder, 'busy'), true))
        if (peerVersion('prometheus') === undefined) return
        const millis = await prometheusTrials(join(folder, 'prometheus'))
        add(idle, prometheus, millis)
      })
    }
    return {
      title: `Alert latency: a breaching report is sent until the alert is seen, ${trials} trials`,
      subjects: [callward, prometheus],
      rows: sheet.rows,
      notes: [
        `The shipped rule ${rule} (no "for"), a host of its own for each trial. p99 of 30 trials is the slowest.`,
        'Callward: from the send of the report by the session until the message arrives on an open /live; the alert, its incident and the message are on disk by then. Busy: 100 hosts x 200 series with five minutes of history report each 10 s.',
        'Prometheus: remote write, the same rules evaluated each 1 s (its default is 1 min), until /api/v1/alerts, asked each 5 ms, says firing; idle, no Alertmanager, nobody is told yet.',
      ],
    }
  },
}
