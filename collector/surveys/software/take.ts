import type { CollectorConfig } from '../../config.ts'
import { type Metric, stateOfError } from '../../source.ts'
import { limits, type Section } from '../../wire/frames.ts'
import type { Findings, OnPart } from '../survey.ts'
import { aptUpdates } from './apt-updates.ts'
import { certificateFiles, certificateMetrics, certificateSection } from './certificates.ts'
import { configFiles } from './config-files.ts'
import { dnfUpdates } from './dnf-updates.ts'
import { endOfLife } from './end-of-life.ts'
import { licences } from './licences.ts'
import { type Packages, packages } from './packages.ts'
import { whyOf } from './paths.ts'
import { runningMetrics, runningServices } from './processes.ts'
import { rebootNeeded } from './reboot.ts'
import { serviceKinds, serviceVersions } from './services.ts'
import { usualCertificates, usualTargets } from './settings.ts'
import { printable } from './text.ts'
import { presentedCertificates } from './tls-endpoints.ts'
import { unknownUpdates, withoutUpdates } from './updates.ts'

interface Part {
  readonly section: Section
  readonly members: Readonly<Record<string, unknown>>
  readonly metrics: readonly Metric[]
}

/** One survey at `now`, milliseconds since the epoch, which only judges how old lists are: documents hold no present time. */
export async function takeSoftware(
  config: CollectorConfig,
  now: number,
  onPart: OnPart = () => {},
): Promise<Findings> {
  const { roots, software } = config
  const part = partsTelling(onPart)
  onPart('packages')
  const known = await packages(roots.rootfs, software.packageNames)
  onPart('packages', known.section)
  const parts = [
    await part('software', () => services(config)),
    await part('config_files', async () => {
      const { section, files } = configFiles(listed(config, software.files ?? []))
      return { section, members: { files }, metrics: [] }
    }),
    await part('certificates', () => certificates(config)),
    await part('licences', async () => {
      const { section, licences: rows, metrics } = licences(software.licences ?? [], roots.rootfs)
      return { section, members: { licences: rows }, metrics }
    }),
    await part('updates', () => updates(known, roots.rootfs, now)),
    await part('reboot', async () => {
      const { section, metrics, ...members } = rebootNeeded(known.manager, known.installed, roots)
      return { section, members, metrics }
    }),
  ]
  const { endOfLife: ends, metrics } = endOfLife(roots.rootfs)
  const members = parts.map((one) => one.members)
  const document = Object.assign({ endOfLife: ends }, ...members) as Record<string, unknown> // members are objects
  return {
    sections: [...withinSize(parts, document), known.section],
    documents: {
      ...(known.document === undefined ? {} : { packages: known.document }),
      ...(fits(document) ? { software: document } : {}),
    },
    metrics: [...parts.flatMap((one) => one.metrics), ...metrics],
  }
}

/** A part that fails says so; the others go on. */
function partsTelling(onPart: OnPart) {
  return async (name: string, take: () => Promise<Part>): Promise<Part> => {
    onPart(name)
    const found = await take().catch((error: unknown): Part => {
      const path = error instanceof Error && 'path' in error ? `${String(error.path)}: ` : ''
      const detail = printable(path + whyOf(error), 400)
      return { section: { name, state: stateOfError(error), detail }, members: {}, metrics: [] }
    })
    onPart(name, found.section)
    return found
  }
}

function fits(document: unknown): boolean {
  return Buffer.byteLength(JSON.stringify(document)) <= limits.factsBytes
}

function withinSize(parts: readonly Part[], document: unknown): readonly Section[] {
  const sections = parts.map(({ section }) => section)
  if (fits(document)) return sections
  const detail = `what was found is over the limit of ${limits.factsBytes} bytes: list fewer files and certificates`
  return sections.map((one) => (one.name === 'software' ? { ...one, state: 'error', detail } : one))
}

function listed({ roots, software }: CollectorConfig, patterns: readonly string[]) {
  const mayLinkTo = software.mayLinkTo ?? usualTargets
  return { rootfs: roots.rootfs, patterns, mayLinkTo }
}

async function services({ roots }: CollectorConfig): Promise<Part> {
  const running = runningServices(serviceKinds, roots)
  const metrics = runningMetrics(running)
  // Not all that run: a job that happened to run would make another document.
  const outdated = running.filter((one) => one.outdated === true)
  if (roots.rootfs !== '/') {
    const detail = 'programs are asked for their versions only where rootfs is /'
    const section: Section = { name: 'software', state: 'absent', detail }
    return { section, members: { services: [], outdated }, metrics }
  }
  const { section, ...members } = await serviceVersions(serviceKinds)
  return { section, members: { ...members, outdated }, metrics }
}

async function certificates(config: CollectorConfig): Promise<Part> {
  const { certificates: paths, tlsEndpoints = [] } = config.software
  const files = certificateFiles(listed(config, paths ?? usualCertificates), paths === undefined)
  const shown = await presentedCertificates(tlsEndpoints)
  const rows = [...files.rows, ...shown]
  const faults = shown.flatMap(({ path, state, detail }) =>
    state === 'ok' ? [] : [{ path, state, detail: detail ?? '' }],
  )
  return {
    section: certificateSection(rows, [...files.troubles, ...faults]),
    members: { certificates: rows },
    metrics: certificateMetrics(rows),
  }
}

async function updates(known: Packages, rootfs: string, now: number): Promise<Part> {
  const { section, updates: found, metrics } = await updatesOf(known, rootfs, now)
  return { section, members: { updates: found }, metrics }
}

async function updatesOf({ manager, installed }: Packages, rootfs: string, now: number) {
  try {
    if (manager === 'dpkg') return aptUpdates(installed, rootfs, now)
    if (manager === 'rpm') return await dnfUpdates(installed, now)
    if (manager === 'unknown')
      return withoutUpdates('error', 'cannot know: what is installed could not be read')
    return withoutUpdates('absent', 'this host has neither dpkg nor rpm')
  } catch (error) {
    // dnf is no part of every host with rpm; apt's lists are missing only where it was never run, or is being run.
    if (manager === 'dpkg' && stateOfError(error) === 'absent')
      return withoutUpdates('error', 'cannot know: lists of apt are missing; run apt-get update')
    return unknownUpdates(error)
  }
}
