import { type Signal, useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { ApiError, get } from '../api.ts'
import type { MessageKey } from '../i18n/catalogue.ts'
import { t } from '../i18n/language.ts'
import { kindName } from '../i18n/workflow-text.ts'
import { ActionButton } from '../parts/action-button.tsx'
import { IncidentSeverityBadge, IncidentStateBadge, SeverityBadge } from '../parts/badges.tsx'
import { sentence } from '../parts/form.tsx'
import { Marked } from '../parts/marked.tsx'
import { PageTitle } from '../parts/page-title.tsx'
import { searchFieldId } from '../parts/search-key.ts'
import { Tabs } from '../parts/tabs.tsx'
import { FullTime } from '../parts/times.tsx'
import { navigate } from '../router.ts'
import { incidentPath, searchPath } from '../routes.ts'
import type { Found, FoundIncident, FoundRunbook, SearchAnswer } from '../search-types.ts'

const kinds = ['all', 'incident', 'runbook'] as const
/** How long typing must rest before it is searched for. */
const restMillis = 250

/** Incidents and runbooks by what was written in them. The address holds the question, so it can be sent to somebody. */
export function Search({ query }: { query: string }) {
  const asked = new URLSearchParams(query)
  const answer = useSignal<SearchAnswer | null>(null)
  const problem = useSignal<string | null>(null)
  useAnswer(query, answer, problem)
  const kind = asked.get('kind') ?? 'all'
  return (
    <>
      <div class="page-head">
        <PageTitle>{t('search.title')}</PageTitle>
        <Tabs
          label={t('search.kind')}
          choices={kinds.map((name) => ({
            href: searchPath(changed(asked, 'kind', name === 'all' ? '' : name)),
            label: t(`search.kind.${name}`),
            chosen: name === kind,
          }))}
        />
      </div>
      <Question asked={asked} />
      <div role="status" class="for-screen-readers">
        {answer.value !== null && t('search.found', { count: answer.value.results.length })}
      </div>
      {problem.value !== null && (
        <p class="problem" role="alert">
          {problem.value}
        </p>
      )}
      {answer.value !== null && <Answer query={query} answer={answer} />}
    </>
  )
}

/** The same question with one part of it changed; an empty part is left out. */
function changed(asked: URLSearchParams, name: string, value: string): URLSearchParams {
  const next = new URLSearchParams(asked)
  if (value === '') next.delete(name)
  else next.set(name, value)
  return next
}

function useAnswer(
  query: string,
  answer: Signal<SearchAnswer | null>,
  problem: Signal<string | null>,
): void {
  useEffect(() => {
    let current = true
    problem.value = null
    if ((new URLSearchParams(query).get('q') ?? '').trim() === '') {
      answer.value = null
      return
    }
    get<SearchAnswer>(`/api/v1/search?${query}`)
      .then((read) => {
        if (current) answer.value = read
      })
      .catch((error: unknown) => {
        if (!current) return
        answer.value = null
        // A question that cannot be asked is told in the hub's own words.
        problem.value =
          error instanceof ApiError && error.status === 400 ? error.message : sentence(error)
      })
    return () => {
      current = false
    }
  }, [query])
}

const filters = [
  { name: 'service', type: 'text', label: 'search.service' },
  { name: 'from', type: 'date', label: 'search.from' },
  { name: 'to', type: 'date', label: 'search.to' },
] as const satisfies readonly { name: string; type: string; label: MessageKey }[]

function Question({ asked }: { asked: URLSearchParams }) {
  const field = useRef<HTMLInputElement>(null)
  const timer = useRef<ReturnType<typeof setTimeout>>()
  useEffect(() => {
    field.current?.focus()
    return () => clearTimeout(timer.current)
  }, [])
  const ask = (name: string, value: string) =>
    navigate(searchPath(changed(asked, name, value)), 'replace')
  const soon = (value: string) => {
    clearTimeout(timer.current)
    timer.current = setTimeout(() => ask('q', value), restMillis)
  }
  const send = (event: Event) => {
    event.preventDefault()
    clearTimeout(timer.current)
    ask('q', field.current?.value ?? '')
  }
  return (
    <form class="search-form card" onSubmit={send}>
      <label for={searchFieldId}>{t('search.words')}</label>
      <input
        ref={field}
        id={searchFieldId}
        type="search"
        enterkeyhint="search"
        maxLength={200}
        spellcheck={false}
        autocapitalize="none"
        aria-describedby="search-help"
        defaultValue={asked.get('q') ?? ''}
        onInput={(event) => soon(event.currentTarget.value)}
      />
      <p id="search-help" class="muted note">
        {t('search.help')}
      </p>
      <details open={filters.some(({ name }) => asked.has(name))}>
        <summary>{t('search.narrow')}</summary>
        <div class="search-filters">
          {filters.map(({ name, type, label }) => (
            <div key={name}>
              <label for={`search-${name}`}>{t(label)}</label>
              <input
                id={`search-${name}`}
                type={type}
                maxLength={200}
                defaultValue={asked.get(name) ?? ''}
                onChange={(event) => ask(name, event.currentTarget.value)}
              />
            </div>
          ))}
        </div>
      </details>
    </form>
  )
}

function Answer({ query, answer }: { query: string; answer: Signal<SearchAnswer | null> }) {
  const { results, next, cut } = answer.value!
  const more = async () => {
    const read = await get<SearchAnswer>(
      `/api/v1/search?${query}&cursor=${encodeURIComponent(next ?? '')}`,
    )
    answer.value = { ...read, results: [...results, ...read.results] }
  }
  return (
    <>
      {results.length === 0 && <p class="empty">{t('search.none')}</p>}
      <ul class="stack found-list">
        {results.map((found) => (
          <li key={keyOf(found)} class="card found">
            {found.kind === 'incident' ? <IncidentFound {...found} /> : <RunbookFound {...found} />}
          </li>
        ))}
      </ul>
      {cut && <p class="muted note">{t('search.cut')}</p>}
      {next !== null && <ActionButton label={t('search.more')} act={more} />}
    </>
  )
}

const keyOf = (found: Found) =>
  found.kind === 'incident' ? `#${found.number}` : `runbook ${found.name}`

function IncidentFound({
  id,
  number,
  title,
  severity,
  state,
  server,
  openedAt,
  excerpts,
}: FoundIncident) {
  return (
    <>
      <p class="where">
        <IncidentSeverityBadge severity={severity} />
        <IncidentStateBadge state={state} />
        {server && <span>{server}</span>}
        <span class="muted">
          <FullTime at={openedAt} />
        </span>
      </p>
      <h2>
        <a href={incidentPath(id)}>
          <span class="number">{number}</span> <Marked {...title} />
        </a>
      </h2>
      {excerpts.map((excerpt) => (
        <p key={excerpt.fact}>
          <span class="muted">{excerpt.kind && kindName(excerpt.kind)}</span>{' '}
          <Marked {...excerpt} />
        </p>
      ))}
    </>
  )
}

function RunbookFound({ name, title, severity, excerpts }: FoundRunbook) {
  return (
    <>
      <p class="where">
        <span class="badge boxed outline tone-info">{t('search.runbook')}</span>
        <SeverityBadge severity={severity} />
        <span class="muted">{name}</span>
      </p>
      <h2>
        <a href={`/runbooks/${encodeURIComponent(name)}`} target="_blank" rel="noopener">
          <Marked {...title} />
        </a>
      </h2>
      {excerpts.map((excerpt) => (
        <p key={excerpt.text}>
          <Marked {...excerpt} />
        </p>
      ))}
    </>
  )
}
