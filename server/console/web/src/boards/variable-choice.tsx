import type { VariableDefinition } from '../../../../../dashboards/drawing/definition.ts'
import { all } from '../../../../../dashboards/drawing/variables.ts'
import type { MessageKey } from '../i18n/catalogue.ts'
import { en } from '../i18n/en.ts'
import { t } from '../i18n/language.ts'

interface Props {
  readonly variable: VariableDefinition
  readonly known: readonly string[]
  readonly chosen: readonly string[]
  readonly choose: (values: readonly string[]) => void
}

/** The variable's own name in the reader's language; a name the console does not know stays as the board has it. */
function nameOf({ name, label }: VariableDefinition): string {
  const key = `boards.variable.${name}`
  return key in en ? t(key as MessageKey) : (label ?? name)
}

/** One choice of a board: a list of one, or boxes to tick. */
export function VariableChoice(props: Props) {
  const { variable, known, chosen, choose } = props
  if (variable.multi === true) return <ManyChoice {...props} />
  return (
    <label class="board-choice">
      <span>{nameOf(variable)}</span>
      <select
        value={chosen[0] ?? ''}
        onChange={({ currentTarget }) => choose([currentTarget.value])}
      >
        {known.map((value) => (
          <option key={value} selected={value === chosen[0]}>
            {value}
          </option>
        ))}
      </select>
    </label>
  )
}

function ManyChoice({ variable, known, chosen, choose }: Props) {
  const isAll = chosen.includes(all)
  // A host that is gone can still be looked at.
  const offered = [...new Set([...known, ...chosen.filter((value) => value !== all)])]
  const turn = (value: string, on: boolean) => {
    const kept = isAll ? [] : chosen.filter((one) => one !== value)
    const next = on ? [...kept, value] : kept
    choose(next.length > 0 ? next : variable.includeAll === true ? [all] : chosen)
  }
  return (
    <details class="board-choice board-many">
      <summary>
        <span>{nameOf(variable)}</span>{' '}
        <strong>{isAll ? t('boards.any') : chosen.join(', ')}</strong>
      </summary>
      <fieldset aria-label={nameOf(variable)}>
        {variable.includeAll === true && (
          <label>
            <input type="checkbox" checked={isAll} onChange={() => choose([all])} />{' '}
            {t('boards.any')}
          </label>
        )}
        {offered.map((value) => (
          <label key={value}>
            <input
              type="checkbox"
              checked={!isAll && chosen.includes(value)}
              onChange={({ currentTarget }) => turn(value, currentTarget.checked)}
            />{' '}
            {value}
          </label>
        ))}
      </fieldset>
    </details>
  )
}
