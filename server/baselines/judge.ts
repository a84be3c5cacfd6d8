import type { HostVersions, PackagesDocument, SoftwareDocument } from '../changes/plugin.ts'
import type { Baseline } from './baseline.ts'
import { allows, type VersionOrder, type VersionSpec } from './version-spec.ts'

export type FindingKind = 'drift' | 'missing' | 'forbidden' | 'unapproved change' | 'unknown'

/** One thing of a host that is not as its baseline says, or that cannot be known. */
export interface Finding {
  readonly kind: FindingKind
  /** `package asterisk`, `file /etc/…`, `baseline`. */
  readonly subject: string
  readonly expected: string
  readonly found: string
}

/** Findings with the same kinds are counted as series, in this order. */
export const driftKinds = ['drift', 'missing', 'forbidden', 'unknown'] as const

/** A baseline against what a host told; in the order packages, services, files, forbidden. No I/O. */
export function judge(baseline: Baseline, { packages, software }: HostVersions): Finding[] {
  const findings: Finding[] = []
  if (packages.state === 'ok') findings.push(...judgePackages(baseline, packages.document))
  else if (baseline.packages.size > 0)
    findings.push(
      unknown('packages', `${baseline.packages.size} package(s) to be judged`, packages.detail),
    )
  if (software.state === 'ok') {
    findings.push(...judgeServices(baseline, software.document))
    findings.push(...judgeFiles(baseline, software.document))
  } else if (baseline.services.size + baseline.files.size > 0) {
    const expected = `${baseline.services.size} service(s) and ${baseline.files.size} file(s) to be judged`
    findings.push(unknown('software', expected, software.detail))
  }
  return [...findings, ...judgeForbidden(baseline, { packages, software })]
}

/** What is said of a host whose role has no baseline that can be used; it is never in order. */
export function withoutBaseline(role: string, reason: string): Finding {
  return unknown('baseline', `a baseline for the role "${role}"`, reason)
}

/** The state a screen shows of findings; what is not known is never `ok`. */
export function stateOf(findings: readonly Finding[]): 'ok' | 'drift' | 'unknown' {
  if (findings.some(({ kind }) => kind !== 'unknown')) return 'drift'
  return findings.length === 0 ? 'ok' : 'unknown'
}

function judgePackages(baseline: Baseline, { manager, packages }: PackagesDocument): Finding[] {
  const installed = new Map<string, string[]>()
  for (const [name, version] of Object.entries(packages)) {
    for (const key of new Set([name, bareName(name)]))
      installed.set(key, [...(installed.get(key) ?? []), version])
  }
  const order: VersionOrder = manager === 'rpm' ? 'rpm' : 'dpkg'
  return [...baseline.packages].flatMap(([name, spec]) =>
    judgeVersions(`package ${name}`, spec, installed.get(name), order),
  )
}

function judgeServices(baseline: Baseline, { services = [] }: SoftwareDocument): Finding[] {
  return [...baseline.services].flatMap(([name, spec]) => {
    const told = services.filter((service) => service.name === name).map(({ version }) => version)
    const subject = `service ${name}`
    const versions = told.length === 0 ? undefined : told
    if (versions?.includes('')) return unknown(subject, spec.text, 'it does not say its version')
    return judgeVersions(subject, spec, versions, 'dpkg')
  })
}

/** Every version that is there must be allowed. */
function judgeVersions(
  subject: string,
  spec: VersionSpec,
  versions: readonly string[] | undefined,
  order: VersionOrder,
): Finding[] {
  const expected = spec.anyOf.length === 0 ? 'any version' : spec.text
  if (versions === undefined) return [{ kind: 'missing', subject, expected, found: 'not there' }]
  const wrong = versions.filter((version) => !allows(spec, version, order))
  return wrong.length === 0 ? [] : [{ kind: 'drift', subject, expected, found: wrong.join(', ') }]
}

function judgeFiles(baseline: Baseline, { files = [] }: SoftwareDocument): Finding[] {
  const told = new Map(files.map((file) => [file.path, file]))
  return [...baseline.files].flatMap(([path, hash]): Finding[] => {
    const subject = `file ${path}`
    const expected = `sha256:${hash}`
    const file = told.get(path)
    if (file === undefined)
      return [
        unknown(
          subject,
          expected,
          'the collector does not look at it; add it to its list of files',
        ),
      ]
    if (file.state === 'absent') return [{ kind: 'missing', subject, expected, found: 'not there' }]
    if (file.state !== 'ok' || file.sha256 === undefined)
      return [unknown(subject, expected, `the collector cannot read it (${file.state})`)]
    if (file.sha256 === hash) return []
    return [{ kind: 'drift', subject, expected, found: `sha256:${file.sha256}` }]
  })
}

function judgeForbidden({ forbidden }: Baseline, { packages, software }: HostVersions): Finding[] {
  if (forbidden.length === 0) return []
  const findings: Finding[] = []
  const paths = forbidden.filter((one) => one.startsWith('/'))
  const names = forbidden.filter((one) => !one.startsWith('/')).map(matcher)
  const isForbidden = (name: string) => names.some((matches) => matches(name))
  const expected = 'not there'
  if (packages.state === 'ok') {
    for (const [name, found] of Object.entries(packages.document.packages))
      if (isForbidden(name) || isForbidden(bareName(name)))
        findings.push({ kind: 'forbidden', subject: `package ${name}`, expected, found })
  } else if (names.length > 0)
    findings.push(unknown('forbidden packages', expected, packages.detail))
  if (software.state !== 'ok')
    return [...findings, unknown('forbidden services and files', expected, software.detail)]
  for (const { name, version } of software.document.services ?? [])
    if (isForbidden(name))
      findings.push({
        kind: 'forbidden',
        subject: `service ${name}`,
        expected,
        found: version || 'runs',
      })
  const told = new Map((software.document.files ?? []).map((file) => [file.path, file.state]))
  for (const path of paths) {
    const state = told.get(path)
    const subject = `file ${path}`
    if (state === 'ok') findings.push({ kind: 'forbidden', subject, expected, found: 'there' })
    else if (state !== 'absent') {
      const why =
        state === undefined
          ? 'the collector does not look at it'
          : `the collector cannot tell (${state})`
      findings.push(unknown(subject, expected, why))
    }
  }
  return findings
}

function unknown(subject: string, expected: string, found: string): Finding {
  return { kind: 'unknown', subject, expected, found }
}

/** A package's name without ":arch". */
function bareName(name: string): string {
  return name.replace(/:[a-z0-9-]+$/, '')
}

/** Whether a name fits a pattern in which `*` stands for any characters. */
function matcher(pattern: string): (name: string) => boolean {
  if (!pattern.includes('*')) return (name) => name === pattern
  const parts = pattern.split(/\*+/)
  return (name) => {
    let from = 0
    for (const [index, part] of parts.entries()) {
      if (index === parts.length - 1)
        return name.length - part.length >= from && name.endsWith(part)
      const found = index === 0 ? (name.startsWith(part) ? 0 : -1) : name.indexOf(part, from)
      if (found < 0) return false
      from = found + part.length
    }
    return true
  }
}
