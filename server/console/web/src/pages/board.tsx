import { useSignal } from '@preact/signals'
import { useEffect, useMemo } from 'preact/hooks'
import {
  type Address,
  addressQuery,
  readAddress,
} from '../../../../../dashboards/drawing/address.ts'
import { type BoardDefinition, groupsOf } from '../../../../../dashboards/drawing/definition.ts'
import { spanSeconds, windowOf } from '../../../../../dashboards/drawing/time.ts'
import { shownVariables } from '../../../../../dashboards/drawing/variables.ts'
import { get } from '../api.ts'
import { Asking } from '../boards/asking.ts'
import { useKnownValues } from '../boards/known-values.ts'
import { useMarks } from '../boards/marks.ts'
import { MarksList } from '../boards/marks-list.tsx'
import { Rows } from '../boards/rows.tsx'
import type { Scene } from '../boards/scene.ts'
import { TimeChoice } from '../boards/time-choice.tsx'
import { VariableChoice } from '../boards/variable-choice.tsx'
import { t } from '../i18n/language.ts'
import { Problem } from '../parts/action-button.tsx'
import { PageTitle } from '../parts/page-title.tsx'
import { navigate } from '../router.ts'
import { boardPath } from '../routes.ts'
import { shortTitle } from './boards.tsx'

/** More steps than pixels of a panel show nothing more. */
const mostPoints = 300
/** How often a board looks for a first server while there is none to choose. */
const untilKnown = '5s'

/** One board, from the same definition as Grafana's; its choices stand in the address. */
export function Board({ board, query }: { board: string; query: string }) {
  const definition = useSignal<BoardDefinition | null>(null)
  const error = useSignal<unknown>(null)
  useEffect(() => {
    get<BoardDefinition>(`/api/v1/boards/${encodeURIComponent(board)}`)
      .then((answer) => {
        definition.value = answer
      })
      .catch((problem: unknown) => {
        error.value = problem
      })
  }, [board])
  if (error.value !== null) return <Problem error={error.value} />
  if (definition.value === null) return <p class="empty">{t('loading')}</p>
  return <Drawn board={board} definition={definition.value} query={query} />
}

interface DrawnProps {
  readonly board: string
  readonly definition: BoardDefinition
  readonly query: string
}

function Drawn({ board, definition, query }: DrawnProps) {
  const address = useMemo(() => readAddress(query, definition), [query, definition])
  const asking = useAsking()
  const now = useSignal(Date.now())
  const again = () => {
    now.value = Date.now()
  }
  const window = useMemo(
    () => windowOf(address, now.value, mostPoints),
    [address.from, address.to, now.value],
  )
  const variables = definition.templating.list
  const { known, chosen, complete, error } = useKnownValues(variables, address, window, asking)
  useTicks(complete ? address.refresh : untilKnown, again)
  const marks = useMarks(definition.annotations.list, {
    variables,
    chosen,
    complete,
    window,
    asking,
  })
  const choose = (change: Partial<Address>) =>
    navigate(boardPath(board, addressQuery({ ...address, choices: chosen, ...change })), 'replace')
  const scene = useMemo(
    (): Scene | undefined =>
      window === undefined || !complete
        ? undefined
        : {
            ...{ board, asking, variables, known, window, now: now.value, marks },
            choices: chosen,
            ...{ from: address.from, to: address.to },
          },
    [
      board,
      asking,
      variables,
      known,
      window,
      now.value,
      marks,
      chosen,
      complete,
      address.from,
      address.to,
    ],
  )
  return (
    <>
      <div class="page-head">
        <PageTitle>{shortTitle(definition.title)}</PageTitle>
        <span class="muted">{definition.description}</span>
      </div>
      <div class="board-choices">
        {shownVariables(variables).map((variable) => (
          <VariableChoice
            key={variable.name}
            variable={variable}
            known={known[variable.name] ?? []}
            chosen={chosen[variable.name] ?? []}
            choose={(values) => choose({ choices: { ...chosen, [variable.name]: values } })}
          />
        ))}
        <TimeChoice address={address} choose={choose} again={again} />
      </div>
      {error !== null && <Problem error={error} />}
      {window === undefined && <p class="empty">{t('boards.badRange')}</p>}
      {window !== undefined && known['server']?.length === 0 && !complete && (
        <p class="empty">{t('boards.noServer')}</p>
      )}
      {scene && <MarksList marks={marks} />}
      {scene && groupsOf(definition).map((group) => <Rows key={group.id} {...{ group, scene }} />)}
    </>
  )
}

/** One queue of requests for as long as the board is shown. */
function useAsking(): Asking {
  const asking = useMemo(() => new Asking(), [])
  useEffect(() => () => asking.stop(), [asking])
  return asking
}

/** Moves the board on at its rhythm, such as `30s`, while the tab is seen; empty: never. */
function useTicks(rhythm: string, again: () => void): void {
  useEffect(() => {
    const seconds = spanSeconds(rhythm)
    if (seconds === undefined) return undefined
    const timer = setInterval(() => {
      if (!document.hidden) again()
    }, seconds * 1000)
    return () => clearInterval(timer)
  }, [rhythm])
}
