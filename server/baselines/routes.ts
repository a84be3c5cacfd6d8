import { basename } from 'node:path'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Static } from 'typebox'
import type { VersionChange } from '../changes/plugin.ts'
import { CallwardError } from '../errors.ts'
import type { Baseline } from './baseline.ts'
import type { BaselineFiles } from './baseline-files.ts'
import { type Finding, stateOf } from './judge.ts'
import { BaselineList, DriftView, type FindingView, HostParams } from './schema.ts'

const access = { owner: 'baselines', roles: ['admin', 'operator', 'auditor'] } as const

const findingsShown = 1_000
const openShown = 200
const itemsNamed = 5

export interface BaselineRoutesOptions {
  readonly files: () => BaselineFiles
  /** Findings of a host against its baseline. */
  readonly findings: (instance: string, role: string) => Promise<readonly Finding[]>
}

/** The baselines in force, and what differs on a host. */
export const baselineRoutes: FastifyPluginAsyncTypebox<BaselineRoutesOptions> = async (
  app,
  { files, findings },
) => {
  app.get(
    '/api/v1/baselines',
    { config: { access }, schema: { response: { 200: BaselineList } } },
    async () => {
      const { byRole, faults, waiting } = files()
      return {
        waiting: waiting.map(({ baseline: { role, version }, file }) => ({
          ...{ role, version },
          file: basename(file),
        })),
        baselines: [...byRole.values()].map(({ baseline }) => baselineView(baseline)),
        faults: faults.map((fault) => ({ ...fault, file: basename(fault.file) })),
      }
    },
  )

  app.get(
    '/api/v1/hosts/:instance/drift',
    { config: { access }, schema: { params: HostParams, response: { 200: DriftView } } },
    async (request) => {
      const { instance } = request.params
      const host = app.inventory.host(instance)
      if (host === undefined)
        throw new CallwardError('not_found', `There is no host "${instance}".`)
      const { role } = host.labels
      const open = await app.changes.openOf(instance, openShown)
      const all = [...open.map(unapproved), ...(await findings(instance, role))]
      const read = files().byRole.get(role)
      return {
        instance,
        role,
        state: stateOf(all),
        baseline: read === undefined ? null : baselineView(read.baseline),
        findings: all.slice(0, findingsShown),
        omitted: Math.max(0, all.length - findingsShown),
      }
    },
  )
}

function baselineView(baseline: Baseline) {
  const { role, version, approvedBy, approvedAt, packages, services, files, forbidden } = baseline
  return {
    ...{ role, version, approvedBy, approvedAt },
    packages: packages.size,
    services: services.size,
    files: files.size,
    forbidden: forbidden.length,
  }
}

function unapproved(change: VersionChange): Static<typeof FindingView> {
  const items = change.items.filter(({ covered }) => !covered)
  const named = items.slice(0, itemsNamed).map(({ kind, subject, from, to }) => {
    return `${kind} ${subject}: ${from ?? 'not there'} -> ${to ?? 'not there'}`
  })
  const more = change.uncovered - named.length
  return {
    kind: 'unapproved change',
    subject: `version change ${change.number}`,
    expected: 'an approved change record for it',
    found: `${named.join('; ')}${more > 0 ? `; and ${more} more` : ''} (seen ${change.detectedAt})`,
    versionChange: change.number,
  }
}
