import type { Host, Section } from '../api-types.ts'
import { sparks } from '../charts/sparks.ts'
import { decimal, percent } from '../i18n/format.ts'
import { language, t } from '../i18n/language.ts'
import { hostPath } from '../routes.ts'
import { splitAge } from './alert-card.tsx'
import { HostStateBadge, SimulatedMark } from './badges.tsx'
import { Bar } from './bar.tsx'
import { Sparkline } from './sparkline.tsx'
import { Age } from './times.tsx'

const cpuHigh = [0.8, 0.95] as const
const memoryHigh = [0.85, 0.95] as const
const diskHigh = [0.8, 0.9] as const

const edges = {
  ok: 'ok',
  attention: 'warning',
  critical: 'critical',
  silent: 'critical',
  unknown: 'silent',
} as const

export function HostCard({ host }: { host: Host }) {
  const blind = cannotSee(host.sections)
  return (
    <article class={`card host-card edge-${edges[host.state] ?? 'silent'}`}>
      <header>
        <h3>
          <a class="cover" href={hostPath(host.instance)}>
            {host.server}
          </a>
        </h3>
        {host.simulated && <SimulatedMark />}
        <span class="push">
          <HostStateBadge state={host.state} />
        </span>
      </header>
      <p class="where muted">
        {[host.role, host.site, host.customer].filter((part) => part !== '').join(' · ')}
      </p>
      <HostFigureRow host={host} />
      <p class="where muted">
        <LastReport host={host} />
        {!host.connected && <span class="not-connected">{t('host.notConnected')}</span>}
        {host.firing > 0 && <span class="firing">{t('host.firing', { count: host.firing })}</span>}
      </p>
      {blind.length > 0 && (
        <p class="blind">{t('host.cannotSee', { list: blind.map(blindText).join(', ') })}</p>
      )}
    </article>
  )
}

function HostFigureRow({ host }: { host: Host }) {
  const { figures } = host
  const curves = sparks.value.get(host.instance)
  const words = language.value
  return (
    <dl class={host.state === 'silent' ? 'figures stale' : 'figures'}>
      <div>
        <dt>{t('host.cpu')}</dt>
        <dd>{percent(words, figures.cpuUsedRatio)}</dd>
        <dd class="curve">
          <Sparkline values={curves?.cpu} top={1} />
          <Bar ratio={figures.cpuUsedRatio} high={cpuHigh} />
        </dd>
      </div>
      <div>
        <dt>{t('host.memory')}</dt>
        <dd>{percent(words, figures.memoryUsedRatio)}</dd>
        <dd class="curve">
          <Sparkline values={curves?.memory} top={1} />
          <Bar ratio={figures.memoryUsedRatio} high={memoryHigh} />
        </dd>
      </div>
      <div>
        <dt>{t('host.load')}</dt>
        <dd>{decimal(words, figures.load1)}</dd>
        <dd class="curve">
          <Sparkline values={curves?.load} />
        </dd>
      </div>
      <div>
        <dt>{t('host.disk')}</dt>
        <dd>{percent(words, figures.fullestFilesystemRatio)}</dd>
        <dd class="curve">
          <Bar ratio={figures.fullestFilesystemRatio} high={diskHigh} />
        </dd>
      </div>
    </dl>
  )
}

/** When the collector last reported, or that it never did. */
export function LastReport({ host }: { host: Host }) {
  if (host.lastReportAt === null) return <span>{t('host.neverReported')}</span>
  return <span>{splitAge(t('host.reportedAgo'), <Age at={host.lastReportAt} />)}</span>
}

/** Sections that exist and cannot be read; what is simply not there is no problem. */
export function cannotSee(sections: readonly Section[]): Section[] {
  return sections.filter((section) => section.state === 'denied' || section.state === 'error')
}

function blindText(section: Section): string {
  return `${section.name} (${t(`sectionState.${section.state}`)})`
}
