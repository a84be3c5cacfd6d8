import type { HostDetail } from '../api-types.ts'
import { type BackupJob, backupJobs, type Drill } from '../host-documents.ts'
import { bytes, duration } from '../i18n/format.ts'
import { language, t } from '../i18n/language.ts'
import { PostureBadge } from '../parts/badges.tsx'
import { Bar } from '../parts/bar.tsx'
import { Age, FullTime } from '../parts/times.tsx'

/** Every backup of the host: how far it can be relied on and why, and the last restore that was really done. */
export function Backups({ facts }: { facts: HostDetail['facts'] }) {
  const jobs = backupJobs(facts)
  return (
    <section aria-labelledby="backups-heading">
      <h2 id="backups-heading">{t('backups.title')}</h2>
      {jobs === undefined || jobs.length === 0 ? (
        <p class="card note">{t('backups.none')}</p>
      ) : (
        <div class="alert-grid">
          {jobs.map((job) => (
            <Job key={job.name} job={job} />
          ))}
        </div>
      )}
    </section>
  )
}

const edges = {
  protected: 'ok',
  attention: 'warning',
  unprotected: 'critical',
  unknown: 'silent',
} as const

function Job({ job }: { job: BackupJob }) {
  const words = language.value
  return (
    <article class={`card alert-card edge-${edges[job.posture]}`}>
      <header>
        <PostureBadge posture={job.posture} />
        <span class="muted push">{job.kind}</span>
      </header>
      <h3 class="card-title">{job.name}</h3>
      {job.reasons.length > 0 && (
        <ul class="reasons">
          {job.reasons.map((reason) => (
            <li key={reason}>{reason}</li>
          ))}
        </ul>
      )}
      <dl class="pairs">
        <div>
          <dt>{t('backups.lastSuccess')}</dt>
          <dd>{job.lastSuccessAt ? <Age at={job.lastSuccessAt} /> : t('backups.never')}</dd>
        </div>
        <Pair term={t('backups.rpo')} value={duration(words, job.rpoSeconds)} />
        <Pair term={t('backups.size')} value={bytes(words, job.lastBytes)} />
        <Pair term={t('backups.usualSize')} value={bytes(words, job.medianBytes)} />
        {job.verify && (
          <div>
            <dt>{t('backups.verified')}</dt>
            <dd class={job.verify.ok ? 'tone-ok' : 'tone-critical'}>
              {t(job.verify.ok ? 'backups.verifyOk' : 'backups.verifyFailed')}{' '}
              <span class="muted">
                <Age at={job.verify.at} />
              </span>
            </dd>
          </div>
        )}
      </dl>
      {job.drill ? (
        <LastDrill job={job} drill={job.drill} />
      ) : (
        <p class="muted">{t('drill.never')}</p>
      )}
      {job.nextDrillAt && (
        <p class="muted">
          {t('drill.next')} <FullTime at={job.nextDrillAt} />
        </p>
      )}
    </article>
  )
}

function LastDrill({ job, drill }: { job: BackupJob; drill: Drill }) {
  const words = language.value
  const { seconds } = drill
  const taken = t('drill.taken', {
    seconds: duration(words, seconds),
    limit: duration(words, job.rtoSeconds),
  })
  return (
    <div class="drill">
      <p>
        <strong class={drill.passed ? 'tone-ok' : 'tone-critical'}>
          {t(drill.passed ? 'drill.passed' : 'drill.failed')}
        </strong>{' '}
        <span class="muted">
          <Age at={drill.finishedAt} />
        </span>
      </p>
      {job.rtoSeconds !== null && seconds !== null && (
        <>
          <Bar ratio={seconds / job.rtoSeconds} high={[0.8, 1]} />
          <p class="muted">{taken}</p>
        </>
      )}
      <details>
        <summary>{t('drill.evidence')}</summary>
        <p>{drill.detail}</p>
        <p class="muted">
          {t(drill.whole ? 'drill.whole' : 'drill.sample')} ·{' '}
          {t('drill.files', { count: drill.files ?? 0 })} · {bytes(words, drill.bytes)} ·{' '}
          {drill.tool}
        </p>
        <ul class="reasons">
          {drill.checks.map((one) => (
            <li key={one.check} class={one.ok ? undefined : 'tone-critical'}>
              {one.check}: {t(one.ok ? 'drill.checkOk' : 'drill.checkFailed')}
              {one.found && ` (${one.found})`}
            </li>
          ))}
        </ul>
      </details>
    </div>
  )
}

function Pair({ term, value }: { term: string; value: string }) {
  return (
    <div>
      <dt>{term}</dt>
      <dd>{value}</dd>
    </div>
  )
}
