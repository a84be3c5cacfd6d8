import { type Signal, useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { get } from '../api.ts'
import type { Drift, HostDetail, VersionChange } from '../api-types.ts'
import { type Certificate, packagesOf, type Software, softwareOf } from '../host-documents.ts'
import { fullTime } from '../i18n/format.ts'
import { language, t } from '../i18n/language.ts'
import { Problem } from '../parts/action-button.tsx'
import { DriftBadge } from '../parts/badges.tsx'
import { changes, now } from '../state.ts'
import { VersionChanges } from './host-version-changes.tsx'

interface Judged {
  readonly drift: Drift
  readonly versionChanges: readonly VersionChange[]
}

/** Versions on the host, how they differ from what was approved, and what changed without a record. */
export function SoftwareVersions({
  instance,
  facts,
}: {
  instance: string
  facts: HostDetail['facts']
}) {
  const judged = useSignal<Judged | null>(null)
  const error = useSignal<unknown>(null)
  const read = useJudged(instance, judged, error)
  const software = softwareOf(facts)
  const packages = packagesOf(facts)
  return (
    <section aria-labelledby="software-heading">
      <h2 id="software-heading">{t('software.title')}</h2>
      {error.value !== null && <Problem error={error.value} />}
      {judged.value && <DriftCard drift={judged.value.drift} />}
      {judged.value && <VersionChanges list={judged.value.versionChanges} onLinked={read} />}
      {software && <Present software={software} />}
      {packages && <Packages packages={packages} />}
    </section>
  )
}

const judgedEveryMs = 30_000

function useJudged(
  instance: string,
  judged: Signal<Judged | null>,
  error: Signal<unknown>,
): () => void {
  const read = async () => {
    const host = `/api/v1/hosts/${encodeURIComponent(instance)}`
    try {
      const [drift, list] = await Promise.all([
        get<Drift>(`${host}/drift`),
        get<{ versionChanges: VersionChange[] }>(`${host}/changes?limit=20`),
      ])
      judged.value = { drift, versionChanges: list.versionChanges }
      error.value = null
    } catch (problem) {
      error.value = problem
    }
  }
  useEffect(() => {
    let readAt = 0
    judged.value = null
    return changes.hosts.subscribe(() => {
      if (Date.now() - readAt < judgedEveryMs) return
      readAt = Date.now()
      read()
    })
  }, [instance])
  return read
}

function DriftCard({ drift }: { drift: Drift }) {
  const { baseline, findings } = drift
  return (
    <div class="card">
      <div class="page-head">
        <DriftBadge state={drift.state} />
        <span class="muted">
          {baseline
            ? t('drift.baseline', {
                role: baseline.role,
                version: baseline.version,
                name: baseline.approvedBy,
                time: fullTime(language.value, baseline.approvedAt),
              })
            : t('drift.noBaseline', { role: drift.role })}
        </span>
      </div>
      {findings.length > 0 && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
        <div class="scroll" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th scope="col">{t('drift.finding')}</th>
                <th scope="col">{t('drift.subject')}</th>
                <th scope="col">{t('drift.expected')}</th>
                <th scope="col">{t('drift.found')}</th>
              </tr>
            </thead>
            <tbody>
              {findings.map((finding) => (
                <tr key={`${finding.kind} ${finding.subject}`}>
                  <td>{t(`findingKind.${finding.kind}`)}</td>
                  <td>{finding.subject}</td>
                  <td>{finding.expected}</td>
                  <td>{finding.found}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {drift.omitted > 0 && <p class="muted">{t('drift.omitted', { count: drift.omitted })}</p>}
    </div>
  )
}

function Present({ software }: { software: Software }) {
  const { services, certificates, rebootReasons } = software
  return (
    <div class="card">
      <dl class="pairs">
        {services.map(({ name, version }) => (
          <div key={`${name} ${version}`}>
            <dt>{name}</dt>
            <dd>{version}</dd>
          </div>
        ))}
        <div>
          <dt>{t('software.kernel')}</dt>
          <dd>
            {software.kernelRunning || t('unknown')}
            {software.kernelNewest !== '' && software.kernelNewest !== software.kernelRunning && (
              <span class="tone-warning">
                {' '}
                {t('software.kernelNewer', { version: software.kernelNewest })}
              </span>
            )}
          </dd>
        </div>
        <div>
          <dt>{t('software.updates')}</dt>
          <dd>{updatesText(software)}</dd>
        </div>
        <div>
          <dt>{t('software.reboot')}</dt>
          <dd class={software.rebootNeeded ? 'tone-warning' : undefined}>
            {rebootText(software)}
            {rebootReasons.length > 0 && <span class="muted"> {rebootReasons.join(', ')}</span>}
          </dd>
        </div>
      </dl>
      {certificates.length > 0 && <Certificates list={certificates} />}
    </div>
  )
}

function updatesText({ pendingUpdates, securityUpdates }: Software): string {
  if (pendingUpdates === null || securityUpdates === null) return t('unknown')
  return t('software.pending', { count: pendingUpdates, security: securityUpdates })
}

function rebootText({ rebootNeeded }: Software): string {
  if (rebootNeeded === null) return t('unknown')
  return t(rebootNeeded ? 'software.rebootNeeded' : 'software.rebootNot')
}

function Certificates({ list }: { list: readonly Certificate[] }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
    <div class="scroll" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">{t('certificate.title')}</th>
            <th scope="col">{t('certificate.subject')}</th>
            <th scope="col">{t('certificate.ends')}</th>
          </tr>
        </thead>
        <tbody>
          {list.map((one, index) => (
            <tr key={index}>
              <td>{one.path}</td>
              <td>{one.subject}</td>
              <td>{one.notAfter ? <Ends at={one.notAfter} /> : one.detail}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

const dayMs = 86_400_000

/** When a certificate ends, with the days left. */
function Ends({ at }: { at: string }) {
  const days = Math.floor((Date.parse(at) - now.value) / dayMs)
  const tone = days < 7 ? 'tone-critical' : days < 30 ? 'tone-warning' : undefined
  return (
    <time dateTime={at} title={fullTime(language.value, at)} class={tone}>
      {days < 0 ? t('certificate.ended', { count: -days }) : t('certificate.left', { count: days })}
    </time>
  )
}

const packagesShown = 200

function Packages({ packages }: { packages: readonly (readonly [string, string])[] }) {
  const wanted = useSignal('')
  const needle = wanted.value.trim().toLowerCase()
  const found = packages.filter(([name]) => name.toLowerCase().includes(needle))
  return (
    <details class="card">
      <summary>{t('software.packages', { count: packages.length })}</summary>
      <label class="search">
        {t('software.findPackage')}
        <input
          type="search"
          value={wanted.value}
          onInput={(event) => {
            wanted.value = event.currentTarget.value
          }}
        />
      </label>
      <p class="muted" role="status">
        {t('software.packagesFound', { count: found.length })}
      </p>
      <dl class="terms">
        {found.slice(0, packagesShown).map(([name, version]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{version}</dd>
          </div>
        ))}
      </dl>
      {found.length > packagesShown && (
        <p class="muted">{t('drift.omitted', { count: found.length - packagesShown })}</p>
      )}
    </details>
  )
}
