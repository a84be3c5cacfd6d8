import { type Signal, useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import type { FactKind } from '../../../../../incidents/facts.ts'
import { t } from '../i18n/language.ts'
import { codeName, hubText, kindName, roleName } from '../i18n/workflow-text.ts'
import type { MyAssignment } from '../incident-card-types.ts'
import { getKept } from '../kept.ts'
import { write } from '../outbox.ts'
import { Problem } from '../parts/action-button.tsx'
import { AssignmentAnswer } from '../parts/assignment-answer.tsx'
import { IncidentSeverityBadge, WorkflowStateBadge } from '../parts/badges.tsx'
import { DueTime, Remaining } from '../parts/due.tsx'
import { FactForm } from '../parts/fact-form.tsx'
import { HubAction } from '../parts/hub-action.tsx'
import { OutboxList } from '../parts/outbox-list.tsx'
import { PageTitle } from '../parts/page-title.tsx'
import { FullTime } from '../parts/times.tsx'
import { incidentPath } from '../routes.ts'
import { canAct, changes, me } from '../state.ts'
import type { GivenIncident } from '../workflow-types.ts'
import { NoteForm } from './incident-actions.tsx'

/** What is given to the reader, and their assignments with what is needed on the way. */
interface MyWork {
  readonly given: readonly GivenIncident[]
  readonly assignments: readonly MyAssignment[]
}

/** What is given to the reader: made for a phone, and usable where there is no network. */
export function Work() {
  const work = useSignal<MyWork | null>(null)
  const error = useSignal<unknown>(null)
  useWork(work, error)
  const list = work.value?.given ?? null
  return (
    <>
      <div class="page-head">
        <PageTitle>{t('work.title')}</PageTitle>
      </div>
      {error.value !== null && <Problem error={error.value} />}
      <div class="stack work">
        <OutboxList />
        {list === null && error.value === null && <p class="empty">{t('loading')}</p>}
        {list?.length === 0 && <p class="empty">{t('work.none')}</p>}
        {list?.map((one) => (
          <Given
            key={one.incident.id}
            {...one}
            assignment={ofIncident(work.value?.assignments ?? [], one.incident.id)}
          />
        ))}
      </div>
    </>
  )
}

/** The one that waits for an answer comes before one that was accepted. */
function ofIncident(assignments: readonly MyAssignment[], id: string): MyAssignment | undefined {
  const own = assignments.filter(({ incident }) => incident.id === id)
  return own.find(({ state }) => state === 'waiting') ?? own[0]
}

/** Reads what is given to the reader; without the network what was read last. */
function useWork(work: Signal<MyWork | null>, error: Signal<unknown>): void {
  const version = changes.incidents.value
  const person = me.value?.name
  // The version is the reason to read again.
  useEffect(() => {
    if (person === undefined) return
    let current = true
    Promise.all([
      getKept<{ incidents: GivenIncident[] }>('/api/v1/incidents/mine'),
      // Nobody else is sent.
      canAct.value
        ? getKept<{ assignments: MyAssignment[] }>('/api/v1/dispatch/mine')
        : { assignments: [] },
    ])
      .then(([{ incidents }, { assignments }]) => {
        if (!current) return
        work.value = { given: incidents, assignments }
        error.value = null
      })
      .catch((problem: unknown) => {
        if (current) error.value = problem
      })
    return () => {
      current = false
    }
  }, [person, version])
}

const further: readonly FactKind[] = ['finding', 'part', 'mitigated', 'temporary_measure']

interface GivenProps extends GivenIncident {
  readonly assignment: MyAssignment | undefined
}

function Given({ assignment, ...one }: GivenProps) {
  const { incident, parts, assignedAt, assignedText, arrivedAt } = one
  const open = useSignal<FactKind | null>(null)
  return (
    <article class="card">
      <header>
        <IncidentSeverityBadge severity={incident.severity} />
        <WorkflowStateBadge incident={incident} />
        {parts.map((role) => (
          <span key={role} class="badge boxed">
            {roleName(role)}
          </span>
        ))}
      </header>
      <h2>
        <a href={incidentPath(incident.id)}>
          <span class="number">{incident.number}</span> {incident.title}
        </a>
      </h2>
      <p class="where">{incident.server && <strong>{incident.server}</strong>}</p>
      {assignedText !== null && assignedAt !== null && (
        <p>
          {assignedText}{' '}
          <span class="muted">
            <FullTime at={assignedAt} />
          </span>
        </p>
      )}
      {assignment === undefined ? (
        <ByFacts {...one} />
      ) : (
        <>
          <Way assignment={assignment} />
          <AssignmentAnswer
            {...{ incident, assignment }}
            arrived={arrivedAt !== null}
            named={String(incident.number)}
          />
        </>
      )}
      <div class="supply">
        {further.map((kind) => (
          <button
            key={kind}
            type="button"
            aria-expanded={open.value === kind}
            onClick={() => {
              open.value = open.value === kind ? null : kind
            }}
          >
            {kindName(kind)}
          </button>
        ))}
      </div>
      {open.value !== null && (
        <FactForm
          key={open.value}
          // What is not read here is not needed by these kinds: each of them may stand any number of times.
          incident={{ ...incident, facts: [], alerts: [], runbook: null }}
          kind={open.value}
          took={() => {
            changes.incidents.value++
          }}
        />
      )}
      <NoteForm
        incident={incident}
        took={() => {
          changes.incidents.value++
        }}
      />
    </article>
  )
}

/** Given by a fact that names somebody who had no account then: nobody waits for the answer, and it is a fact too. */
function ByFacts({ incident, assignedAt, acceptedAt, arrivedAt }: GivenIncident) {
  const told = useSignal('')
  const technician = me.value?.name ?? ''
  const say = async (kind: string, more: string, value = {}) => {
    const text = `${kindName(kind)}: ${more}`
    const answer = await write(incident, [{ kind, value: { text, technician, ...value } }])
    told.value = t(answer ? 'incident.saved' : 'outbox.kept')
    changes.incidents.value++
  }
  const arrived = (mode: 'on_site' | 'remote') => () =>
    say('arrived', codeName('mode', mode), { mode })
  return (
    <>
      <div class="supply">
        {assignedAt !== null && acceptedAt === null && (
          <HubAction
            kind="primary"
            label={t('work.accept')}
            act={() => say('accepted', technician)}
          />
        )}
        {acceptedAt !== null && arrivedAt === null && (
          <>
            <HubAction kind="primary" label={t('work.onSite')} act={arrived('on_site')} />
            <HubAction label={t('work.remote')} act={arrived('remote')} />
          </>
        )}
      </div>
      <p role="status" class="saved">
        {told.value}
      </p>
    </>
  )
}

/** Until when an answer is wanted, where it is, whom to call, what is still to be written. */
function Way({ assignment }: { assignment: MyAssignment }) {
  const { state, answerBy, sites, hosts, services, contacts, owed } = assignment
  const places = [
    ['work.sites', sites],
    ['work.hosts', hosts],
    ['work.services', services],
  ] as const
  return (
    <div class="way">
      {state === 'waiting' && (
        <p>
          {t('assignments.answerBy')} <DueTime at={answerBy} /> <Remaining at={answerBy} />
        </p>
      )}
      <dl>
        {places.map(
          ([name, values]) =>
            values.length > 0 && (
              <div key={name}>
                <dt>{t(name)}</dt>
                <dd>{values.join(', ')}</dd>
              </div>
            ),
        )}
        {contacts.length > 0 && (
          <div>
            <dt>{t('work.contacts')}</dt>
            {contacts.map(({ name, roles, phone }) => (
              <dd key={name}>
                {name} <span class="muted">{roles.map(roleName).join(', ')}</span>{' '}
                {phone !== null && <a href={`tel:${phone}`}>{phone}</a>}
              </dd>
            ))}
          </div>
        )}
        {owed.length > 0 && (
          <div>
            <dt>{t('work.owed')}</dt>
            {owed.map((said) => (
              <dd key={said.text}>{hubText(said)}</dd>
            ))}
          </div>
        )}
      </dl>
    </div>
  )
}
