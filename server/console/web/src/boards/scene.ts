import type { VariableDefinition } from '../../../../../dashboards/drawing/definition.ts'
import type { LinkScene } from '../../../../../dashboards/drawing/links.ts'
import type { Mark } from '../../../../../dashboards/drawing/marks.ts'
import type { Window } from '../../../../../dashboards/drawing/time.ts'
import type { Choices } from '../../../../../dashboards/drawing/variables.ts'
import type { Asking } from './asking.ts'

/** What all panels of a board share at one moment; a new one at each refresh and choice. */
export interface Scene extends LinkScene {
  readonly board: string
  readonly asking: Asking
  readonly variables: readonly VariableDefinition[]
  /** What each variable offers. */
  readonly known: Choices
  readonly window: Window
  /** Milliseconds: when it was asked. */
  readonly now: number
  readonly marks: readonly Mark[]
}
