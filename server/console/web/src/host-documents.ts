import type { HostDetail } from './api-types.ts'

/**
 * What the host page reads of a collector's facts. They come from another program, maybe of another version: whatever is not as expected is
 * left out here, and the whole document stands below among the facts.
 */

type Dictionary = Readonly<Record<string, unknown>>

export const postures = ['protected', 'attention', 'unprotected', 'unknown'] as const
export type Posture = (typeof postures)[number]

export interface BackupCheck {
  readonly check: string
  readonly ok: boolean
  readonly found: string
}

export interface Drill {
  readonly finishedAt: string
  readonly passed: boolean
  readonly detail: string
  readonly whole: boolean
  readonly files: number | null
  readonly bytes: number | null
  readonly seconds: number | null
  readonly tool: string
  readonly checks: readonly BackupCheck[]
}

export interface BackupJob {
  readonly name: string
  readonly kind: string
  readonly posture: Posture
  readonly reasons: readonly string[]
  readonly lastSuccessAt: string | null
  readonly lastBytes: number | null
  readonly medianBytes: number | null
  readonly copies: number | null
  readonly rpoSeconds: number | null
  readonly rtoSeconds: number | null
  readonly verify: { readonly at: string; readonly ok: boolean; readonly detail: string } | null
  readonly drill: Drill | null
  readonly nextDrillAt: string | null
}

export interface Certificate {
  readonly path: string
  readonly subject: string
  readonly notAfter: string | null
  readonly detail: string
}

export interface Software {
  readonly services: readonly { readonly name: string; readonly version: string }[]
  readonly certificates: readonly Certificate[]
  readonly pendingUpdates: number | null
  readonly securityUpdates: number | null
  readonly rebootNeeded: boolean | null
  readonly rebootReasons: readonly string[]
  readonly kernelRunning: string
  readonly kernelNewest: string
}

/** Undefined when the collector knows of no backup at all. */
export function backupJobs(facts: HostDetail['facts']): readonly BackupJob[] | undefined {
  const document = dictionary(facts['backups']?.document)
  return document && list(document['jobs']).map(backupJob)
}

function backupJob(job: Dictionary): BackupJob {
  const verify = dictionary(job['verify'])
  const drill = dictionary(job['drill'])
  return {
    name: text(job['name']),
    kind: text(job['kind']),
    posture: postures.find((one) => one === job['posture']) ?? 'unknown',
    reasons: list(job['reasons']).map((reason) => text(reason['text'])),
    lastSuccessAt: time(job['lastSuccessAt']),
    lastBytes: number(job['lastBytes']),
    medianBytes: number(job['medianBytes']),
    copies: number(job['copies']),
    rpoSeconds: number(job['rpoSeconds']),
    rtoSeconds: number(job['rtoSeconds']),
    verify: verify
      ? { at: text(verify['at']), ok: verify['ok'] === true, detail: text(verify['detail']) }
      : null,
    drill: drill ? drillOf(drill) : null,
    nextDrillAt: time(job['nextDrillAt']),
  }
}

function drillOf(drill: Dictionary): Drill {
  return {
    finishedAt: text(drill['finishedAt']),
    passed: drill['result'] === 'passed',
    detail: text(drill['detail']),
    whole: drill['mode'] === 'whole',
    files: number(drill['files']),
    bytes: number(drill['bytes']),
    seconds: number(drill['seconds']),
    tool: text(drill['tool']),
    checks: list(drill['checks']).map((one) => ({
      check: text(one['check']),
      ok: one['ok'] === true,
      found: text(one['found']),
    })),
  }
}

/** Undefined when the collector has not told. */
export function softwareOf(facts: HostDetail['facts']): Software | undefined {
  const document = dictionary(facts['software']?.document)
  if (document === undefined) return undefined
  const updates = dictionary(document['updates'])
  const pending = updates?.['state'] === 'ok' ? list(updates['pending']) : null
  const reboot = dictionary(document['reboot'])
  const kernel = dictionary(document['kernel'])
  return {
    services: list(document['services']).map((one) => ({
      name: text(one['name']),
      version: text(one['version']),
    })),
    certificates: list(document['certificates']).map((one) => ({
      path: text(one['path']),
      subject: text(one['subject']),
      notAfter: time(one['notAfter']),
      detail: text(one['detail']) || text(one['state']),
    })),
    // The list itself may be cut.
    pendingUpdates: pending && (number(updates?.['pendingCount']) ?? pending.length),
    securityUpdates: pending?.filter((one) => one['security'] === true).length ?? null,
    rebootNeeded: reboot?.['state'] === 'ok' ? reboot['needed'] === true : null,
    rebootReasons: texts(reboot?.['reasons']),
    kernelRunning: text(kernel?.['running']),
    kernelNewest: text(kernel?.['newest']),
  }
}

/** Names and versions, sorted; undefined when the host has told of none. */
export function packagesOf(
  facts: HostDetail['facts'],
): readonly (readonly [string, string])[] | undefined {
  const packages = dictionary(dictionary(facts['packages']?.document)?.['packages'])
  if (packages === undefined) return undefined
  return Object.entries(packages)
    .map(([name, version]) => [name, text(version)] as const)
    .sort(([a], [b]) => a.localeCompare(b))
}

function dictionary(value: unknown): Dictionary | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Dictionary)
    : undefined
}

function list(value: unknown): Dictionary[] {
  return Array.isArray(value)
    ? value.flatMap((one: unknown) => {
        const found = dictionary(one)
        return found ? [found] : []
      })
    : []
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []
}

function text(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
}

function number(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null
}

function time(value: unknown): string | null {
  return typeof value === 'string' && Number.isFinite(Date.parse(value)) ? value : null
}
