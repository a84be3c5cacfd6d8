import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import canonicalize from 'canonicalize'
import type { Evidence, FrozenHost } from '../../incidents/evidence.ts'
import { hubSays } from '../../incidents/hub-sentences.ts'

/** Largest evidence document; beyond it series go, the least important first, and what went is counted. */
export const mostBytes = 1024 * 1024

const pack = promisify(gzip)
const unpack = promisify(gunzip)

/** Evidence as it is kept. */
export interface FrozenDocument {
  readonly hash: string
  readonly bytes: number
  /** gzip, base64. */
  readonly body: string
  readonly about: string
  readonly evidence: Evidence
}

/** The one canonical form (RFC 8785) of evidence, its SHA-256, and its packed text. */
export async function documentOf(evidence: Evidence): Promise<FrozenDocument> {
  const { fitted, text } = fit(evidence)
  const hash = createHash('sha256').update(text).digest('hex')
  const body = (await pack(text)).toString('base64')
  return { hash, bytes: Buffer.byteLength(text), body, about: aboutOf(fitted), evidence: fitted }
}

/** The JSON text of a kept document. Throws when it does not have its hash: somebody changed it. */
export async function textOf(row: { readonly hash: string; readonly body: string }) {
  const text = await unpack(Buffer.from(row.body, 'base64'), { maxOutputLength: 2 * mostBytes })
  if (createHash('sha256').update(text).digest('hex') !== row.hash)
    throw new Error(`evidence ${row.hash} was changed outside of the hub`)
  return text.toString('utf8')
}

function fit(evidence: Evidence): { readonly fitted: Evidence; readonly text: string } {
  let fitted = evidence
  for (;;) {
    const text = canonicalize(wellFormed(fitted)) ?? ''
    if (Buffer.byteLength(text) <= mostBytes) return { fitted, text }
    const smaller = halved(fitted)
    if (smaller === undefined)
      return { fitted: bare(fitted), text: canonicalize(wellFormed(bare(fitted))) ?? '' }
    fitted = smaller
  }
}

/** Half the series; undefined when there are none left. */
function halved(evidence: Evidence): Evidence | undefined {
  let left = 0
  const hosts = evidence.hosts.map((host): FrozenHost => {
    if (host.metrics.state !== 'ok' || host.metrics.series.length === 0) return host
    left += 1
    const kept = Math.floor(host.metrics.series.length / 2)
    const omitted = host.metrics.omitted + host.metrics.series.length - kept
    return {
      ...host,
      metrics: { ...host.metrics, series: host.metrics.series.slice(0, kept), omitted },
    }
  })
  return left === 0 ? undefined : { ...evidence, hosts }
}

/** What is left when even without series it is too long. */
function bare(evidence: Evidence): Evidence {
  const reason = `larger than ${mostBytes} bytes`
  return {
    ...evidence,
    hosts: [],
    hostsOmitted: evidence.hosts.length + evidence.hostsOmitted,
    expressions: { state: 'error', reason },
  }
}

/** Canonical JSON refuses half of a character; labels hold anything. */
function wellFormed(evidence: Evidence): Evidence {
  return JSON.parse(
    JSON.stringify(evidence, (_key, value: unknown) =>
      typeof value === 'string' ? value.replace(/\p{Surrogate}/gu, '\ufffd') : value,
    ),
  ) as Evidence
}

/** What it shows, in a line. */
function aboutOf({ hosts, hostsOmitted, stage }: Evidence): string {
  const names = hosts.map(({ instance }) => instance).join(', ')
  const some = names === '' ? hubSays('hubRecords') : names
  const of = hostsOmitted > 0 ? hubSays('andMore', { some, count: hostsOmitted }) : some
  const about = hubSays(stage === 'detection' ? 'atDetection' : 'afterRecovery', { hosts: of })
  return about.replace(/\p{Cc}|\p{Surrogate}/gu, ' ').slice(0, 200)
}
