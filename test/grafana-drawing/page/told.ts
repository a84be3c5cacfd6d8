import {
  type DataFrame,
  FieldType,
  formattedValueToString,
  getFieldDisplayName,
} from '@grafana/data'
import { config } from '@grafana/runtime'
import type { ToldField } from '../told-field.ts'

/** What the page asked of `/prom`, in order. */
export const asked: Record<string, string>[] = []

/** By panel. */
export const told: Record<string, ToldField[]> = {}

const colours = ['green', 'yellow', 'orange', 'red', 'purple', 'blue', 'text', '#888888']

/** Keeps what Grafana made of a panel's answers, for the comparison. */
export function tell(panel: number, frames: readonly DataFrame[], isTable = false): void {
  const named = new Map(
    colours.map((name) => [config.theme2.visualization.getColorByName(name), name]),
  )
  told[panel] = frames.flatMap((frame) => {
    const times = frame.fields.find(({ type }) => type === FieldType.time)?.values ?? []
    return frame.fields
      .filter(({ type }) => type !== FieldType.time)
      .map((field) => {
        const newest = field.values.findLast((value) => value !== null && value !== undefined)
        const shown = field.display?.(newest)
        return {
          name: getFieldDisplayName(field, frame, [...frames]),
          values: [...field.values],
          times: [...times],
          last: shown === undefined ? '' : formattedValueToString(shown),
          colour: named.get(shown?.color ?? '') ?? '',
          texts: isTable
            ? field.values.map((value) => formattedValueToString(field.display!(value)))
            : [],
          steps: field.config.thresholds?.steps ?? [],
        }
      })
  })
}
