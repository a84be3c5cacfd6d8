import { useSignal } from '@preact/signals'
import { useEffect, useId } from 'preact/hooks'
import { get } from '../api.ts'
import { t } from '../i18n/language.ts'
import type { ToldOne } from '../paging-types.ts'
import { Problem } from '../parts/action-button.tsx'
import { TellingRows, tellingColumns } from '../parts/telling-rows.tsx'
import { pagePath } from '../routes.ts'

const afterTypingMs = 250

/** Everybody who was, or was to be, told; by person, page and day. */
export function Told() {
  const person = useSignal('')
  const page = useSignal('')
  const from = useSignal('')
  const to = useSignal('')
  const list = useSignal<readonly ToldOne[] | null>(null)
  const more = useSignal(false)
  const error = useSignal<unknown>(null)
  const query = toldQuery({
    person: person.value,
    page: page.value,
    from: from.value,
    to: to.value,
  })
  useEffect(() => {
    let current = true
    const timer = setTimeout(async () => {
      try {
        const answer = await get<{ told: ToldOne[]; next: string | null }>(`/api/v1/told?${query}`)
        if (!current) return
        list.value = answer.told
        more.value = answer.next !== null
        error.value = null
      } catch (problem) {
        if (current) error.value = problem
      }
    }, afterTypingMs)
    return () => {
      current = false
      clearTimeout(timer)
    }
  }, [query])
  const rows = list.value ?? []
  return (
    <>
      <search class="told-search">
        <SearchField label={t('pages.person')} value={person} />
        <SearchField label={t('pages.page')} value={page} />
        <SearchField label={t('oncall.from')} value={from} type="datetime-local" />
        <SearchField label={t('oncall.to')} value={to} type="datetime-local" />
        <a class="button" href={`/api/v1/told?${query}&format=csv`} download="callward-told.csv">
          {t('pages.export')}
        </a>
      </search>
      {error.value !== null && <Problem error={error.value} />}
      {rows.length === 0 ? (
        <p class="empty">{t(list.value === null ? 'loading' : 'pages.nobody')}</p>
      ) : (
        <div class="card table-card">
          <table class="list">
            <thead>
              <tr>
                <th scope="col">{t('incidents.number')}</th>
                <th scope="col">{t('incidents.what')}</th>
                {tellingColumns.map((key) => (
                  <th key={key} scope="col">
                    {t(key)}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.map((one) => (
                <TellingRows key={one.id} telling={one}>
                  <td class="number">{one.page.number}</td>
                  <td class="what">
                    <a href={pagePath(one.page.number)}>{one.page.title}</a>
                  </td>
                </TellingRows>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {more.value && <p class="note muted">{t('pages.more')}</p>}
    </>
  )
}

interface FieldProps {
  readonly label: string
  readonly value: { value: string }
  readonly type?: string
}

function SearchField({ label, value, type = 'search' }: FieldProps) {
  const id = useId()
  return (
    <div>
      <label for={id}>{label}</label>
      <input
        id={id}
        type={type}
        maxLength={200}
        value={value.value}
        onInput={(event) => {
          value.value = event.currentTarget.value
        }}
      />
    </div>
  )
}

function toldQuery(fields: Readonly<Record<'person' | 'page' | 'from' | 'to', string>>): string {
  const query = new URLSearchParams()
  for (const name of ['person', 'page'] as const)
    if (fields[name].trim() !== '') query.set(name, fields[name].trim())
  for (const name of ['from', 'to'] as const)
    if (fields[name] !== '') query.set(name, new Date(fields[name]).toISOString())
  return query.toString()
}
