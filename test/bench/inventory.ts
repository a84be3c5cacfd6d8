import { createHash, randomUUID } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import WebSocket from 'ws'
import type { HubFrame } from '../../collector/wire/frames.ts'
import { adminToken, TestHub } from '../helpers/hub.ts'
import {
  type Benchmark,
  callward,
  cpuSeconds,
  http,
  inScratch,
  progress,
  quantile,
  residentMebibytes,
  Sheet,
  serverLauncher,
  sized,
} from './kit.ts'

const hosts = sized(5000, 300)
const packagesAHost = 600
const together = 50
const pagesAsked = 300
const tellWithinMillis = 300_000

/** The list of one host: the same as all others', apart from one package. */
function packagesOf(host: number): Record<string, string> {
  const packages: Record<string, string> = {}
  for (let index = 0; index < packagesAHost; index++)
    packages[`library-${index * 7919}-dev`] = `1:${index % 40}.${index % 13}.2-${index}+deb12u1`
  packages['asterisk'] = host % 100 === 0 ? '1:20.5.0' : '1:20.6.0'
  packages['host-settings'] = `${host}`
  return packages
}

function baselineText(): string {
  const packages = { ...packagesOf(1), 'host-settings': '*' }
  const head = { role: 'pbx', version: '2026-11', approvedBy: 'bench', approvedAt: '2026-11-01' }
  return JSON.stringify({ ...head, packages })
}

/** Says hello for a host, tells its packages, and stays. */
async function tell(url: string, token: string, host: number): Promise<WebSocket> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/session`, {
    headers: { authorization: `Bearer ${token}` },
    perMessageDeflate: false,
  })
  const instance = `inventory-${host}`
  const labels = { job: 'callward', instance, server: instance, role: 'pbx', env: 'bench' }
  const hello = { type: 'hello', protocols: [1], collector: randomUUID(), epoch: 'bench' }
  const rest = { version: '0.0.0', labels: { ...labels, customer: 'bank', site: 'hq' } }
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.once('close', (code) => reject(new Error(`${instance}: closed with ${code}`)))
    socket.once('open', () =>
      socket.send(JSON.stringify({ ...hello, ...rest, wall: Date.now(), intervalSeconds: 3600 })),
    )
    socket.on('message', (data) => {
      const frame = JSON.parse(String(data)) as HubFrame
      if (frame.type !== 'welcome') return reject(new Error(String(data)))
      const document = { manager: 'dpkg', packages: packagesOf(host) }
      const hash = createHash('sha256').update(JSON.stringify(document)).digest('hex')
      const fact = { type: 'facts', name: 'packages', hash, document, wall: Date.now() }
      socket.send(JSON.stringify(fact))
      resolve()
    })
  })
  return socket
}

const headers = { authorization: `Bearer ${adminToken}` }

/** The page of what differs on a host; its state is `unknown` until the hub has judged its documents. */
async function drift(hub: TestHub, host: number): Promise<{ state: string; findings: unknown[] }> {
  const { status, body } = await http(`${hub.url}/api/v1/hosts/inventory-${host}/drift`, {
    headers,
  })
  if (status !== 200) throw new Error(`drift of ${host}: ${status} ${body.toString()}`)
  return JSON.parse(body.toString())
}

async function allTold(hub: TestHub): Promise<void> {
  const deadline = performance.now() + tellWithinMillis
  for (let host = 0; host < hosts; host++) {
    const hasList = async () =>
      (await http(`${hub.url}/api/v1/hosts/inventory-${host}/facts/packages`, { headers }))
        .status === 200
    while (!(await hasList())) {
      if (performance.now() > deadline) throw new Error(`the hub holds no list of ${host}`)
      await wait(20)
    }
  }
}

async function measure(folder: string, sheet: Sheet): Promise<void> {
  const baselinesFolder = join(folder, 'baselines')
  mkdirSync(baselinesFolder, { recursive: true })
  writeFileSync(join(baselinesFolder, 'pbx.yaml'), baselineText())
  const config = join(folder, 'callward.yaml')
  writeFileSync(config, JSON.stringify({ hub: { baselinesFolder } }))
  const environment = { CALLWARD_CONFIG: config }
  const hub = await TestHub.start(join(folder, 'hub'), environment, serverLauncher)
  const sockets: WebSocket[] = []
  try {
    const pid = hub.program.child.pid ?? 0
    const token = await hub.token('bench', 'collector')
    const began = performance.now()
    const before = cpuSeconds(pid).own
    for (let host = 0; host < hosts; host += together) {
      const some = Array.from({ length: Math.min(together, hosts - host) }, (_, i) => host + i)
      sockets.push(...(await Promise.all(some.map((one) => tell(hub.url, token, one)))))
    }
    await allTold(hub)
    const seconds = (performance.now() - began) / 1000
    const cpu = cpuSeconds(pid).own - before
    const took: number[] = []
    for (let index = 0; index < pagesAsked; index++) {
      const host = (index * 37) % hosts
      const asked = performance.now()
      const { state } = await drift(hub, host)
      took.push(performance.now() - asked)
      const due = host % 100 === 0 ? 'drift' : 'ok'
      if (state !== due && state !== 'unknown') throw new Error(`${host} is ${state}, not ${due}`)
    }
    const { all, anonymous, peak } = residentMebibytes(pid)
    const less = { better: 'less' } as const
    sheet.add({ name: 'until all lists are held', unit: 's', ...less }, callward, seconds)
    const each = (cpu / hosts) * 1000
    sheet.add({ name: 'CPU of the hub, a list', unit: 'ms', ...less }, callward, each)
    const page = 'page of what differs from the baseline'
    sheet.add({ name: `${page}: median`, unit: 'ms', ...less }, callward, quantile(took, 0.5))
    sheet.add({ name: `${page}: p99`, unit: 'ms', ...less }, callward, quantile(took, 0.99))
    const mebibytes = { unit: 'MiB', ...less }
    sheet.add({ name: 'memory of the hub', ...mebibytes }, callward, all)
    sheet.add({ name: 'of it not backed by a file', ...mebibytes }, callward, anonymous)
    sheet.add({ name: 'most there ever was', ...mebibytes }, callward, peak)
    progress(`inventory: ${seconds.toFixed(0)} s, ${Math.round(all)} MiB`)
  } finally {
    for (const socket of sockets) socket.removeAllListeners('close').close()
    await hub.program.kill('SIGTERM')
  }
}

export const inventory: Benchmark = {
  name: 'inventory',
  async run() {
    const sheet = new Sheet()
    await inScratch((folder) => measure(folder, sheet))
    return {
      title: `Inventory: ${hosts} hosts, each with a list of ${packagesAHost} packages`,
      subjects: [callward],
      rows: sheet.rows,
      notes: [
        `All lists are alike but for one package, so that none has the hash of another. ${together} hosts at a time say hello and tell their list; all sessions stay open. Each list is compared with the host's former one and judged by a baseline of ${packagesAHost} versions as it comes. One measurement.`,
      ],
    }
  },
}
