import { writeFileSync } from 'node:fs'
import { Agent, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Sightings, watchLive } from './alert.ts'
import { Fleet } from './fleet.ts'
import {
  type Benchmark,
  callward,
  inScratch,
  median,
  progress,
  quantile,
  runSeconds,
  Sheet,
  sized,
} from './kit.ts'
import { openSessions } from './load-session.ts'
import { Peer, peerTitle, peerVersion } from './peers.ts'
import { profiled } from './profile.ts'
import { fleetLabels, remoteWrite } from './remote-write.ts'
import { ruledShapes, trialRule, writeRules } from './rule-load.ts'
import { settings } from './settings.ts'
import { BenchHub } from './subjects.ts'

const trials = sized(100, 5)
const rules = sized(2_000, 200)
const hosts = sized(200, 20)
/** Of 20 series: 500 a host, each reported once a second, are 100,000 samples a second. */
const copies = 25
const hostsPerRequest = sized(50, 10)
const warmMillis = 15_000
/** No trial begins later: a server that cannot keep up. */
const trialsMillis = 150_000

const trialShapes = [{ name: 'bench_trial', labels: {}, first: () => 0, next: () => 0 }]
const breach = Float64Array.of(1)

interface Measured {
  readonly millis: readonly number[]
  /** Of the server, while it was measured. */
  readonly cores: number
  readonly samplesPerSecond: number
}

/** Reports a host after the other, all of them once a second, until stopped; tells how many samples a second that were. */
function background(fleet: Fleet, report: (host: number) => void): () => number {
  const began = performance.now()
  let next = 0
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - began) * hosts) / 1000)
    for (; next < due; next++) {
      if (next % hosts === 0) fleet.advance()
      report(next % hosts)
    }
  }, 2)
  return () => {
    clearInterval(timer)
    return (next * fleet.shapes.length) / ((performance.now() - began) / 1000)
  }
}

/** One breaching sample after the other, each of a host of its own, until its alert is seen. */
async function oneByOne(
  fleet: Fleet,
  sightings: Sightings,
  send: (host: number) => unknown,
  pause: () => number,
): Promise<number[]> {
  const millis: number[] = []
  const end = performance.now() + trialsMillis
  for (const [host, { instance }] of fleet.hosts.entries()) {
    if (performance.now() > end) break
    await delay(pause())
    const seen = sightings.of(instance)
    const began = performance.now()
    send(host)
    // An alert that is not seen counts as long as it was waited for.
    millis.push((await seen.catch(() => performance.now())) - began)
  }
  return millis
}

async function hubTrials(folder: string): Promise<Measured> {
  const config = join(folder, 'callward.yaml')
  writeFileSync(config, JSON.stringify({ hub: { rulesFolder: writeRules(folder, rules) } }))
  const server = await BenchHub.start(join(folder, 'data'), { CALLWARD_CONFIG: config })
  const { hub } = server
  const sightings = new Sightings()
  let stop = () => 0
  try {
    const token = await hub.token('bench', 'collector')
    const many = new Fleet(hosts, ruledShapes(copies), 'loaded')
    const loaded = await openSessions(hub.url, token, many, 1)
    stop = background(many, (host) => loaded[host]!.sendNow('live', Date.now(), many.values(host)))
    const fleet = new Fleet(trials, trialShapes, 'trial')
    const sessions = await openSessions(hub.url, token, fleet, 60)
    for (const [host, session] of sessions.entries())
      session.sendNow('live', Date.now(), fleet.values(host))
    const live = await watchLive(hub, sightings, trialRule)
    await delay(warmMillis)
    const pid = hub.program.child.pid ?? 0
    const work = () =>
      oneByOne(
        fleet,
        sightings,
        (host) => sessions[host]!.sendNow('live', Date.now(), breach),
        () => 100 + Math.random() * 200,
      )
    const [before, began] = [runSeconds(pid), performance.now()]
    const millis = await (server.inspector === 0
      ? work()
      : profiled('alert-load', server.inspector, work))
    const cores = (runSeconds(pid) - before) / ((performance.now() - began) / 1000)
    const samplesPerSecond = stop()
    live.close()
    for (const session of [...sessions, ...loaded]) session.close()
    return { millis, cores, samplesPerSecond }
  } finally {
    stop()
    await hub.stop()
  }
}

/** Takes Alertmanager's notices. */
async function receiver(sightings: Sightings): Promise<{ url: string; stop(): void }> {
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const { alerts } = JSON.parse(Buffer.concat(parts).toString()) as {
      alerts: { labels: { instance?: string } }[]
    }
    for (const { labels } of alerts) sightings.saw(labels.instance ?? '')
    response.end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const stop = () => {
    server.closeAllConnections()
    server.close()
  }
  return { url, stop }
}

async function prometheusTrials(folder: string): Promise<Measured> {
  const sightings = new Sightings()
  const told = await receiver(sightings)
  const alertmanager = await Peer.start('prometheus-alertmanager', join(folder, 'am'), {
    webhook: told.url,
  })
  const peer = await Peer.start('prometheus', join(folder, 'prometheus'), {
    rulesFolder: writeRules(folder, rules),
    intervalSeconds: 1,
    alertmanager,
  })
  const agent = new Agent({ keepAlive: true, maxSockets: 2 })
  const failures: unknown[] = []
  let stop = () => 0
  try {
    const many = new Fleet(hosts, ruledShapes(copies), 'loaded')
    const labels = fleetLabels(many)
    const url = `${peer.url}/api/v1/write`
    let series: Parameters<typeof remoteWrite>[1][number][] = []
    stop = background(many, (host) => {
      const [wall, values] = [Date.now(), many.values(host)]
      for (const [shape, encoded] of labels[host]!.entries())
        series.push({ labels: encoded, times: [wall], values: [values[shape]!] })
      if ((host + 1) % hostsPerRequest !== 0) return
      remoteWrite(url, series, { agent }).catch((error: unknown) => failures.push(error))
      series = []
    })
    const fleet = new Fleet(trials, trialShapes, 'trial')
    const trialLabels = fleetLabels(fleet)
    const push = (host: number, value: number) =>
      remoteWrite(url, [
        { labels: trialLabels[host]![0]!, times: [Date.now()], values: [value] },
      ]).catch((error: unknown) => failures.push(error))
    await delay(warmMillis)
    const [before, began] = [runSeconds(peer.pid), performance.now()]
    const millis = await oneByOne(
      fleet,
      sightings,
      (host) => push(host, 1),
      // Anywhere between two evaluations.
      () => Math.random() * 1000,
    )
    const cores = (runSeconds(peer.pid) - before) / ((performance.now() - began) / 1000)
    if (failures.length > 0) throw failures[0]
    return { millis, cores, samplesPerSecond: stop() }
  } finally {
    stop()
    agent.destroy()
    await peer.stop()
    await alertmanager.stop()
    told.stop()
  }
}

export const alertLoad: Benchmark = {
  name: 'alert-load',
  async run() {
    const sheet = new Sheet()
    const peers = `${peerTitle('prometheus')} and ${peerTitle('prometheus-alertmanager')}`
    const row = { unit: 'ms', better: 'less' as const }
    const goal = (reach: number, floor: number) => ({
      goal: { reach: { is: reach }, floor: { is: floor } },
    })
    const measure = async (subject: string, run: typeof hubTrials) => {
      progress(`alert-load: ${subject}`)
      const { millis, cores, samplesPerSecond } = await inScratch(run)
      sheet.add({ name: 'median', ...row, ...goal(20, 50) }, subject, median(millis))
      sheet.add({ name: 'p99', ...row, ...goal(150, 500) }, subject, quantile(millis, 0.99))
      sheet.add({ name: 'slowest', ...row }, subject, quantile(millis, 1))
      sheet.add({ name: 'trials', unit: '', better: 'more' }, subject, millis.length)
      const rate = { name: 'load beside it', unit: 'k samples/s', better: 'more' as const }
      sheet.add(rate, subject, samplesPerSecond / 1000)
      const cpu = { name: 'CPU of the server meanwhile', unit: 'cores', better: 'less' as const }
      sheet.add(cpu, subject, cores)
    }
    await measure(callward, hubTrials)
    if (
      !settings.profile &&
      peerVersion('prometheus') !== undefined &&
      peerVersion('prometheus-alertmanager') !== undefined
    )
      await measure(peers, prometheusTrials)
    return {
      title: `Alert under load: a breaching sample is sent until the alert is seen, ${trials} trials, ${rules} rules`,
      subjects: [callward, peers],
      rows: sheet.rows,
      notes: [
        `Beside it ${hosts} hosts report ${copies * 20} series each, once a second, and ${rules} rules look at them, none of which fires. A rule without "for", a host of its own for each trial.`,
        `An alert that nobody saw within 20 s counts as that long; no trial begins after ${trialsMillis / 1000} s.`,
        'Callward: from the send of the report by the session until the message arrives on an open /live. The 2,000 rules run as reports arrive.',
        'Prometheus: remote write, rules each 1 s (its default is 1 min), Alertmanager with each alert in a group of its own and no wait, until its webhook is read.',
      ],
    }
  },
}
