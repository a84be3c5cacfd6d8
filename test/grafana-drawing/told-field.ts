/** A field after Grafana's transformations and overrides. */
export interface ToldField {
  readonly name: string
  readonly values: readonly (number | string | null)[]
  /** Milliseconds; of a curve. */
  readonly times: readonly number[]
  /** The newest value as Grafana writes it, and its colour as the board names it. */
  readonly last: string
  readonly colour: string
  /** All values as Grafana writes them; of a table. */
  readonly texts: readonly string[]
  readonly steps: readonly { readonly value: number | null; readonly color: string }[]
}
