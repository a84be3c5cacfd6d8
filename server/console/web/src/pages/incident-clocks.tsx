import { useSignal } from '@preact/signals'
import { useId } from 'preact/hooks'
import type { Fact, IncidentDetail } from '../api-types.ts'
import type { MessageKey } from '../i18n/catalogue.ts'
import { clockText } from '../i18n/clock-text.ts'
import { language, t } from '../i18n/language.ts'
import { kindName } from '../i18n/workflow-text.ts'
import type { ClockShown, ClocksAnswer, RegimeShown } from '../incident-card-types.ts'
import { write } from '../outbox.ts'
import { Problem } from '../parts/action-button.tsx'
import { DueTime, Remaining } from '../parts/due.tsx'
import { useRead } from '../parts/read.ts'
import { Refusal } from '../parts/refusal.tsx'
import { FullTime } from '../parts/times.tsx'
import { canAct } from '../state.ts'
import { factText } from './incident-facts.tsx'
import type { PartProps } from './incident-steps.tsx'

const tones: Readonly<Record<string, string>> = {
  running: 'info',
  'at risk': 'warning',
  breached: 'critical',
  met: 'ok',
  'met late': 'warning',
  overdue: 'critical',
  done: 'ok',
  'done late': 'warning',
}
/** States of clocks that run, the most urgent first. */
const urgency = ['breached', 'at risk', 'running', 'paused', 'met late', 'met']

/** Service levels, regulators' time limits and actions of an incident: how each stands, and why. */
export function IncidentClocks(props: PartProps) {
  const { incident } = props
  const path = `/api/v1/incidents/${encodeURIComponent(incident.id)}/clocks`
  const { answer, error } = useRead<ClocksAnswer>(path)
  const regimes = answer.value?.regimes ?? []
  return (
    <section aria-labelledby="clocks-heading" class="card clocks">
      <h2 id="clocks-heading">{t('clocks.title')}</h2>
      {error.value !== null && <Problem error={error.value} />}
      {answer.value === null && error.value === null && <p class="muted">{t('loading')}</p>}
      {answer.value !== null && regimes.every(({ clocks }) => clocks.length === 0) && (
        <p class="empty">{t('clocks.none')}</p>
      )}
      {regimes.map((regime) => (
        <Regime key={regime.regime} {...props} regime={regime} />
      ))}
      {answer.value !== null && <Actions actions={answer.value.actions} />}
      {incident.major && <Drafts incident={incident} />}
    </section>
  )
}

function Regime({ regime, ...props }: PartProps & { regime: RegimeShown }) {
  const shown = regime.clocks
    .filter(({ state }) => urgency.includes(state))
    .sort((a, b) => urgency.indexOf(a.state) - urgency.indexOf(b.state))
  const quiet = regime.clocks.filter(({ state }) => !urgency.includes(state))
  return (
    <>
      <h3>{clockText(regime.title)}</h3>
      {shown.length === 0 && <p class="muted">{t('clocks.noneRuns')}</p>}
      <ul class="rows">
        {shown.map((clock) => (
          <Clock key={clock.code} {...props} {...{ regime, clock }} />
        ))}
      </ul>
      {quiet.length > 0 && (
        <details>
          <summary>{t('clocks.quiet', { count: quiet.length })}</summary>
          <ul class="rows">
            {quiet.map((clock) => (
              <Clock key={clock.code} {...props} {...{ regime, clock }} />
            ))}
          </ul>
        </details>
      )}
      <p class="muted note">{clockText(regime.caution)}</p>
    </>
  )
}

interface ClockProps extends PartProps {
  readonly regime: RegimeShown
  readonly clock: ClockShown
}

const standsStill = (state: string) => state === 'paused'
const runs = (state: string) => ['running', 'at risk', 'breached'].includes(state)

function Clock({ regime, clock, incident, took }: ClockProps) {
  const { state, deadline, satisfiedAt } = clock
  const live = runs(state) || standsStill(state)
  return (
    <li>
      <p class="row-head">
        <StateBadge state={state} />
        <strong>{clockText(clock.title)}</strong>
        {runs(state) && deadline !== null && <Remaining at={deadline} />}
      </p>
      {deadline !== null && live && (
        <p class="note">
          {t('clocks.due')} <DueTime at={deadline} zone={regime.zone} />
        </p>
      )}
      {satisfiedAt !== null && (
        <p class="note">
          {t('clocks.met')} <FullTime at={satisfiedAt} />
        </p>
      )}
      <details>
        <summary>
          {t('clocks.why')} <span class="for-screen-readers">{clockText(clock.title)}</span>
        </summary>
        <Why clock={clock} facts={incident.facts} />
      </details>
      {canAct.value && live && clock.pauseReasons.length > 0 && (
        <Pause {...{ incident, took, clock }} name={`${regime.regime}.${clock.code}`} />
      )}
    </li>
  )
}

function StateBadge({ state }: { state: string }) {
  const key = `clocks.state.${state.replaceAll(' ', '_')}` as MessageKey
  return <span class={`badge boxed tone-${tones[state] ?? 'silent'}`}>{t(key)}</span>
}

/** The formula, what was reckoned from which facts, and who says so. The hub's own words, in English. */
function Why({ clock, facts }: { clock: ClockShown; facts: readonly Fact[] }) {
  const { citation, previous, steps, missing, note, ifItCannotBeMet } = clock
  const grounds = facts.filter(({ id }) => clock.facts.includes(id))
  return (
    <div class="why">
      <p>{clock.because}</p>
      <p>
        <strong>{t('clocks.rule')}</strong> {clock.rule}
      </p>
      <ol class="reasons">
        {steps.map(({ kind, text }, index) => (
          <li key={`${index} ${kind}`}>{text}</li>
        ))}
      </ol>
      {missing.length > 0 && (
        <p>
          <strong>{t('clocks.missing')}</strong> {missing.join('; ')}
        </p>
      )}
      {previous.map((before) => (
        <p key={before.until}>
          <strong>{t('clocks.before')}</strong>{' '}
          {before.deadline === null ? '–' : <FullTime at={before.deadline} />}, {before.because}
        </p>
      ))}
      <p>
        <strong>{t('clocks.source')}</strong>{' '}
        {citation.url === null ? (
          citation.document
        ) : (
          <a href={citation.url} target="_blank" rel="noopener noreferrer">
            {citation.document}
          </a>
        )}
        , {citation.article} ({clock.confidence}, {clock.verifiedOn})
      </p>
      {note !== null && <p class="muted">{note}</p>}
      {ifItCannotBeMet !== null && <p class="muted">{ifItCannotBeMet}</p>}
      <p>
        <strong>{t('clocks.facts')}</strong>
      </p>
      <ul class="reasons">
        {grounds.map((fact) => (
          <li key={fact.id}>
            {fact.sequence}. {kindName(fact.kind)}: {factText(fact)}{' '}
            <span class="muted">
              <FullTime at={fact.occurredAt} />
            </span>
          </li>
        ))}
      </ul>
    </div>
  )
}

interface PauseProps {
  readonly incident: IncidentDetail
  readonly took: (incident: IncidentDetail) => void
  readonly clock: ClockShown
  /** As facts name it. */
  readonly name: string
}

/** Stops a clock for one of the reasons its rule knows, or lets it go on. */
function Pause({ incident, took, clock, name }: PauseProps) {
  const id = useId()
  const reason = useSignal(clock.pauseReasons[0] ?? '')
  const words = useSignal('')
  const error = useSignal<unknown>(null)
  const busy = useSignal(false)
  const told = useSignal('')
  const still = standsStill(clock.state)
  const send = async (event: Event) => {
    event.preventDefault()
    if (busy.value) return
    busy.value = true
    error.value = null
    const said = words.value.trim()
    const text = still
      ? said || t('clocks.goesOn')
      : [reason.value, said].filter((part) => part !== '').join(': ')
    try {
      const kind = still ? 'clock_resumed' : 'clock_paused'
      const answer = await write(incident, [{ kind, value: { text, clock: name } }])
      told.value = t(answer ? 'incident.saved' : 'outbox.kept')
      words.value = ''
      if (answer !== undefined) took(answer)
    } catch (problem) {
      error.value = problem
    } finally {
      busy.value = false
    }
  }
  const label = t(still ? 'clocks.resume' : 'clocks.pause')
  return (
    <details>
      <summary>
        {label} <span class="for-screen-readers">{clockText(clock.title)}</span>
      </summary>
      <form class="link-form" aria-label={`${label}: ${clockText(clock.title)}`} onSubmit={send}>
        {!still && (
          <>
            <label for={`${id}-reason`}>{t('clocks.reason')}</label>
            <select
              id={`${id}-reason`}
              value={reason.value}
              onChange={(event) => {
                reason.value = event.currentTarget.value
              }}
            >
              {clock.pauseReasons.map((one) => (
                <option key={one} value={one}>
                  {clockText(one)}
                </option>
              ))}
            </select>
          </>
        )}
        <label for={`${id}-words`}>{t('clocks.words')}</label>
        <input
          id={`${id}-words`}
          maxLength={1000}
          value={words.value}
          onInput={(event) => {
            words.value = event.currentTarget.value
          }}
        />
        {error.value !== null && <Refusal error={error.value} />}
        <button type="submit" class="primary" aria-disabled={busy.value}>
          {label}
        </button>
        <span role="status" class="saved">
          {told.value}
        </span>
      </form>
    </details>
  )
}

function Actions({ actions }: Pick<ClocksAnswer, 'actions'>) {
  if (actions.length === 0) return null
  return (
    <>
      <h3>{t('clocks.actions')}</h3>
      <ul class="rows">
        {actions.map(({ number, text, owner, dueAt, state }) => (
          <li key={number}>
            <p class="row-head">
              <StateBadge state={state} />
              <span>
                {number}. {text}
              </span>
            </p>
            <p class="muted note">
              {owner ?? t('clocks.noOwner')}
              {dueAt !== null && (
                <>
                  {' · '}
                  <FullTime at={dueAt} />
                </>
              )}
            </p>
          </li>
        ))}
      </ul>
    </>
  )
}

/** The regulator's form as far as the facts fill it. */
function Drafts({ incident }: { incident: IncidentDetail }) {
  const path = `/api/v1/incidents/${encodeURIComponent(incident.id)}/drafts/dora`
  return (
    <>
      <h3>{t('clocks.drafts')}</h3>
      <p class="supply">
        {(['initial', 'intermediate', 'final'] as const).map((stage) => (
          <a
            key={stage}
            href={`${path}?stage=${stage}&language=${language.value}&format=markdown`}
            download={`dora-${stage}-${incident.number}-${language.value}.md`}
          >
            {t(`clocks.stage.${stage}`)}
          </a>
        ))}
      </p>
      <p class="muted note">{t('clocks.draftsHelp')}</p>
    </>
  )
}
