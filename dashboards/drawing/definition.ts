/** The parts of a generated board (Grafana's classic JSON) that are read to draw it. */

export interface LinkDefinition {
  readonly title: string
  /** May hold Grafana's `${…}` macros. */
  readonly url: string
}

export interface Threshold {
  readonly color: string
  /** Absent or null: from minus infinity. */
  readonly value?: number | null
}

/** What a value is called, instead of its number. */
export interface MappingResult {
  readonly text?: string
  readonly color?: string
}

export type MappingDefinition =
  | { readonly type: 'value'; readonly options: Readonly<Record<string, MappingResult>> }
  | {
      readonly type: 'range'
      readonly options: {
        readonly from?: number | null
        readonly to?: number | null
        readonly result: MappingResult
      }
    }
  | { readonly type: 'regex' | 'special'; readonly options: object }

/** How the values of a series or column are shown. */
export interface Field {
  readonly unit?: string
  readonly decimals?: number
  readonly min?: number
  readonly max?: number
  readonly noValue?: string
  readonly displayName?: string
  readonly thresholds?: { readonly steps: readonly Threshold[] }
  readonly mappings?: readonly MappingDefinition[]
  readonly links?: readonly LinkDefinition[]
  readonly color?: { readonly mode?: string; readonly fixedColor?: string }
  readonly custom?: {
    readonly transform?: string
    readonly fillOpacity?: number
    readonly lineWidth?: number
    readonly stacking?: { readonly mode?: string }
    readonly thresholdsStyle?: { readonly mode?: string }
    readonly cellOptions?: { readonly type?: string }
    readonly axisLabel?: string
  }
}

export interface TargetDefinition {
  readonly refId: string
  readonly expr: string
  readonly instant?: boolean
  readonly legendFormat?: string
}

export interface PanelDefinition {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly description?: string
  /** In columns of 24 and lines of 30 pixels. */
  readonly gridPos: {
    readonly h: number
    readonly w: number
    readonly x: number
    readonly y: number
  }
  readonly links?: readonly LinkDefinition[]
  readonly targets?: readonly TargetDefinition[]
  readonly fieldConfig?: {
    readonly defaults: Field
    readonly overrides: readonly {
      readonly matcher: { readonly id: string; readonly options?: unknown }
      readonly properties: readonly { readonly id: string; readonly value?: unknown }[]
    }[]
  }
  readonly options?: Readonly<Record<string, unknown>>
  readonly transformations?: readonly { readonly id: string; readonly options: unknown }[]
  /** A variable: the panel once for each of its chosen values. */
  readonly repeat?: string
  /** Copies beside each other on a line. */
  readonly maxPerRow?: number
}

export interface RowDefinition {
  readonly id: number
  readonly type: 'row'
  readonly title: string
  readonly collapsed: boolean
  /** Those of a folded row; an open row's panels follow it in the board's list. */
  readonly panels: readonly PanelDefinition[]
  /** A variable: the row once for each of its chosen values. */
  readonly repeat?: string
}

export interface VariableDefinition {
  readonly name: string
  readonly label?: string
  readonly type: string
  readonly query?: unknown
  readonly multi?: boolean
  readonly includeAll?: boolean
  readonly allValue?: string
  readonly current?: { readonly value?: string | readonly string[] }
  readonly options?: readonly { readonly value: string }[]
}

export interface AnnotationDefinition {
  readonly name: string
  readonly iconColor: string
  readonly expr?: string
  readonly titleFormat?: string
  readonly textFormat?: string
}

export interface BoardDefinition {
  readonly uid: string
  readonly title: string
  readonly description: string
  readonly tags: readonly string[]
  /** Such as `30s`. */
  readonly refresh: string
  readonly time: { readonly from: string; readonly to: string }
  readonly panels: readonly (PanelDefinition | RowDefinition)[]
  readonly templating: { readonly list: readonly VariableDefinition[] }
  readonly annotations: { readonly list: readonly AnnotationDefinition[] }
}

/** Panels under their heading; the first group may have none. */
export interface Group {
  readonly id: number
  readonly title: string | undefined
  readonly folded: boolean
  /** A variable: the group once for each of its chosen values. */
  readonly repeat: string | undefined
  readonly panels: readonly PanelDefinition[]
}

/** The board's panels by row, in reading order. */
export function groupsOf(board: BoardDefinition): readonly Group[] {
  const groups: (Omit<Group, 'panels'> & { readonly panels: PanelDefinition[] })[] = []
  for (const one of board.panels) {
    if (isRow(one)) {
      const { id, title, collapsed: folded, panels, repeat } = one
      groups.push({ id, title, folded, repeat, panels: [...panels] })
    } else {
      if (groups.length === 0 || groups.at(-1)!.folded) groups.push(untitled(-groups.length))
      groups.at(-1)!.panels.push(one)
    }
  }
  return groups
}

function untitled(id: number) {
  return { id, title: undefined, folded: false, repeat: undefined, panels: [] }
}

function isRow(one: PanelDefinition | RowDefinition): one is RowDefinition {
  return one.type === 'row'
}

/** Every panel of the board, those of folded rows among them. */
export function panelsOf(board: BoardDefinition): readonly PanelDefinition[] {
  return groupsOf(board).flatMap(({ panels }) => panels)
}

/** Such as `fleet`: the board's name in the console's addresses. */
export function slugOf(uid: string): string {
  return uid.replace(/^callward-/, '')
}

/** The field of a series or column with this name: the panel's defaults, then the overrides that match, in order. */
export function fieldOf(panel: PanelDefinition, name: string): Field {
  const { defaults = {}, overrides = [] } = panel.fieldConfig ?? {}
  const properties = overrides
    .filter(({ matcher }) => matches(matcher, name))
    .flatMap((override) => override.properties)
  const named = properties.map(({ id, value }) => [id.split('.'), value] as const)
  const own = named.filter(([[, inner]]) => inner !== undefined)
  return {
    ...defaults,
    ...Object.fromEntries(named.flatMap(([[id, inner], value]) => (inner ? [] : [[id, value]]))),
    custom: {
      ...defaults.custom,
      ...Object.fromEntries(own.map(([[, inner], value]) => [inner, value])),
    },
  }
}

function matches({ id, options }: { id: string; options?: unknown }, name: string): boolean {
  if (typeof options !== 'string') return false
  if (id === 'byName') return options === name
  if (id !== 'byRegexp') return false
  const body = /^\/(.*)\/$/.exec(options)?.[1] ?? options
  return new RegExp(body).test(name)
}
