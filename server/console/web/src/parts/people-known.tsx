import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { get } from '../api.ts'
import type { Fact, Team } from '../api-types.ts'
import { hosts, me } from '../state.ts'

/** Names that forms on this page offer: members of teams, whoever wrote here, the reader; hosts too. */
export function PeopleKnown({ facts = [] }: { facts?: readonly Fact[] }) {
  const teams = useSignal<readonly Team[]>([])
  useEffect(() => {
    get<{ teams: Team[] }>('/api/v1/teams')
      .then((answer) => {
        teams.value = answer.teams
      })
      .catch(() => {}) // names can be typed without being offered
  }, [])
  const names = new Set([
    ...(me.value === null ? [] : [me.value.name]),
    ...teams.value.flatMap(({ members }) => members.map(({ name }) => name)),
    ...facts.map(({ recordedBy }) => recordedBy).filter((name) => name !== 'hub'),
  ])
  return (
    <>
      <datalist id="people-known">
        {[...names].map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      <datalist id="hosts-known">
        {(hosts.value ?? []).map(({ instance }) => (
          <option key={instance} value={instance} />
        ))}
      </datalist>
    </>
  )
}
