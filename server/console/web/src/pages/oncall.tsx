import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { get } from '../api.ts'
import { moment } from '../i18n/format.ts'
import { language, reasonText, t } from '../i18n/language.ts'
import type { OncallHandover, OncallNow, OncallPerson, OncallReadiness } from '../oncall-types.ts'
import { Problem } from '../parts/action-button.tsx'
import { PageTitle } from '../parts/page-title.tsx'
import { changes } from '../state.ts'
import { Handovers } from './oncall-handovers.tsx'
import { Readiness } from './oncall-readiness.tsx'
import { ScheduleWeek } from './oncall-week.tsx'

interface Read {
  readonly schedules: readonly OncallNow[]
  readonly people: readonly OncallPerson[]
  readonly readiness: OncallReadiness
  readonly handovers: readonly OncallHandover[]
}

const everyMs = 60_000

async function readAll(): Promise<Read> {
  const [{ schedules }, { people }, readiness, { handovers }] = await Promise.all([
    get<{ schedules: OncallNow[] }>('/api/v1/oncall'),
    get<{ people: OncallPerson[] }>('/api/v1/oncall/people'),
    get<OncallReadiness>('/api/v1/oncall/readiness'),
    get<{ handovers: OncallHandover[] }>('/api/v1/oncall/handovers?limit=5'),
  ])
  return { schedules, people, readiness, handovers }
}

/** Who is on call now, the week of each schedule, whether coming shifts reach people, hand-overs. */
export function Oncall() {
  const read = useSignal<Read | null>(null)
  const error = useSignal<unknown>(null)
  const version = changes.oncall.value
  useEffect(() => {
    let current = true
    const load = () =>
      readAll()
        .then((answer) => {
          if (!current) return
          read.value = answer
          error.value = null
        })
        .catch((problem: unknown) => {
          if (current) error.value = problem
        })
    void load()
    const timer = setInterval(load, everyMs)
    return () => {
      current = false
      clearInterval(timer)
    }
  }, [version])
  return (
    <>
      <div class="page-head">
        <PageTitle>{t('oncall.title')}</PageTitle>
      </div>
      {error.value !== null && <Problem error={error.value} />}
      {read.value === null ? <p class="empty">{t('loading')}</p> : <Shown read={read.value} />}
    </>
  )
}

function Shown({ read }: { read: Read }) {
  if (read.schedules.length === 0)
    return (
      <p class="empty">
        {t('oncall.none')} <code>callward oncall apply --help</code>
      </p>
    )
  return (
    <>
      <section aria-label={t('oncall.now')}>
        <h2>{t('oncall.now')}</h2>
        <ul class="oncall-now">
          {read.schedules.map((one) => (
            <li key={one.id} class="card">
              <NowCard schedule={one} />
            </li>
          ))}
        </ul>
      </section>
      {read.schedules.map((one) => (
        <ScheduleWeek key={one.id} id={one.id} now={one} people={read.people} />
      ))}
      <Readiness readiness={read.readiness} />
      <Handovers list={read.handovers} />
    </>
  )
}

function NowCard({ schedule }: { schedule: OncallNow }) {
  const { onCall, gap, next, timeZone } = schedule
  const [person] = onCall
  const at = (time: string) => moment(language.value, time, timeZone)
  return (
    <>
      <h3>{schedule.name}</h3>
      {person === undefined ? (
        <p class={gap?.planned === true ? 'muted big' : 'problem big'}>
          {t(gap?.planned === true ? 'oncall.plannedGap' : 'oncall.nobody')}
        </p>
      ) : (
        <p class="big">{person.name}</p>
      )}
      {person === undefined && gap !== null && <p class="muted note">{reasonText(gap.reason)}</p>}
      <dl class="pairs">
        <div>
          <dt>{t('oncall.until')}</dt>
          <dd>{at(person?.until ?? gap?.until ?? '')}</dd>
        </div>
        <div>
          <dt>{t('oncall.next')}</dt>
          <dd>{next === null ? t('nothing') : `${next.name}, ${at(next.at)}`}</dd>
        </div>
        <div>
          <dt>{t('oncall.zone')}</dt>
          <dd>{timeZone}</dd>
        </div>
      </dl>
    </>
  )
}
