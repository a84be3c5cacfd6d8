import { colours, noData } from './fields.ts'
import { type Link, linkModel } from './links.ts'
import {
  boardDatasource,
  type FieldModel,
  type MappingModel,
  type OverrideModel,
  type PanelModel,
  type ThresholdsModel,
  type TransformationModel,
} from './model.ts'

/** One PromQL query of a panel; `legend` is Grafana's `{{label}}` text. */
export interface Query {
  readonly expr: string
  readonly legend?: string
}

/** A query, its white space folded so that long ones may be written over several lines. */
export function query(expr: string, legend?: string): Query {
  const folded = expr
    .replace(/\s+/g, ' ')
    .replace(/([([]) /g, '$1')
    .replace(/ ([)\]])/g, '$1')
    .trim()
  return { expr: folded, ...(legend === undefined ? {} : { legend }) }
}

/** A panel or a row once for each chosen value of a variable, which its title and queries name as `$variable`. */
export interface Repeat {
  readonly variable: string
  /** Panels beside each other on a line; a repeated panel has a line of its own, 24 columns wide. */
  readonly mostInLine: number
}

/** What every panel with data says about itself. */
export interface PanelSpec {
  /** What is shown, how to read it, what to do. */
  readonly description: string
  /** Columns of 24. */
  readonly width: number
  /** In units of 30 pixels. */
  readonly height?: number
  /** A Grafana unit id, such as `percentunit`, `s`, `bytes`, `Bps`, `short`, `none`. */
  readonly unit: string
  readonly queries: readonly Query[]
  readonly thresholds?: ThresholdsModel
  readonly mappings?: readonly MappingModel[]
  readonly decimals?: number
  readonly min?: number
  readonly max?: number
  /** Shown instead of nothing; default `no data`. */
  readonly noValue?: string
  /** Followed from the panel's values and from its head. */
  readonly links?: readonly Link[]
  readonly overrides?: readonly OverrideModel[]
  readonly transformations?: readonly TransformationModel[]
  readonly repeat?: Repeat
}

/**
 * A panel as grafana-dash-gen's Row takes it: something with `generate`. `number` is unique on its
 * board, 1 to 99, and never used again for another panel. A subclass adds one visualisation.
 */
export abstract class Panel {
  readonly number: number
  readonly title: string
  readonly width: number
  readonly height: number

  constructor(
    number: number,
    title: string,
    size: { readonly width: number; readonly height: number },
  ) {
    this.number = number
    this.title = title
    this.width = size.width
    this.height = size.height
  }

  /** The panel in Grafana's classic JSON; `id` is the number and `gridPos` only its size until `finish` places it. */
  generate(): PanelModel {
    return {
      id: this.number,
      title: this.title,
      gridPos: { h: this.height, w: this.width, x: 0, y: 0 },
      ...this.body(),
    }
  }

  protected abstract body(): Omit<PanelModel, 'id' | 'title' | 'gridPos'>
}

/** A panel that draws the answers of queries. */
export abstract class DataPanel<Spec extends PanelSpec = PanelSpec> extends Panel {
  readonly spec: Spec

  constructor(number: number, title: string, spec: Spec, defaultHeight: number) {
    super(number, title, { width: spec.width, height: spec.height ?? defaultHeight })
    if (spec.repeat !== undefined && spec.width !== 24)
      throw new Error(`BUG: panel ${number} is repeated and ${spec.width} columns wide`)
    this.spec = spec
  }

  /** True where only the newest value counts: a silent server then has none, instead of its last one. */
  protected abstract readonly instant: boolean
  protected abstract visualisation(): Pick<PanelModel, 'type' | 'options'> & {
    custom?: Record<string, unknown>
  }

  protected overrides(): OverrideModel[] {
    return [...(this.spec.overrides ?? [])]
  }

  protected transformations(): TransformationModel[] {
    return [...(this.spec.transformations ?? [])]
  }

  protected format(): 'time_series' | 'table' | 'heatmap' {
    return 'time_series'
  }

  protected override body(): Omit<PanelModel, 'id' | 'title' | 'gridPos'> {
    const { type, options, custom } = this.visualisation()
    const links = (this.spec.links ?? []).map(linkModel)
    const transformations = this.transformations()
    return {
      type,
      description: this.spec.description,
      datasource: boardDatasource,
      targets: this.targets(),
      fieldConfig: {
        defaults: { ...this.field(), ...(custom ? { custom } : {}) },
        overrides: this.overrides(),
      },
      ...(options ? { options } : {}),
      ...(transformations.length > 0 ? { transformations } : {}),
      ...(links.length > 0 ? { links } : {}),
      ...(this.spec.repeat === undefined ? {} : repeatModel(this.spec.repeat)),
    }
  }

  private targets(): Record<string, unknown>[] {
    return this.spec.queries.map(({ expr, legend }, index) => ({
      datasource: boardDatasource,
      editorMode: 'code',
      expr,
      format: this.format(),
      instant: this.instant,
      range: !this.instant,
      refId: refId(index),
      ...(legend === undefined ? {} : { legendFormat: legend }),
    }))
  }

  /** Defaults every field of the panel shares. */
  protected field(): FieldModel {
    const { unit, decimals, min, max, thresholds, mappings, noValue, links } = this.spec
    return {
      unit,
      noValue: noValue ?? noData,
      mappings: [...(mappings ?? [])],
      thresholds: thresholds ?? {
        mode: 'absolute',
        steps: [{ color: colours.unknown, value: null }],
      },
      ...(decimals === undefined ? {} : { decimals }),
      ...(min === undefined ? {} : { min }),
      ...(max === undefined ? {} : { max }),
      ...(links === undefined ? {} : { links: links.map(linkModel) }),
    }
  }
}

function repeatModel({ variable, mostInLine }: Repeat) {
  return { repeat: variable, repeatDirection: 'h' as const, maxPerRow: mostInLine }
}

/** A, B, C … for the queries of a panel, in order. */
export function refId(index: number): string {
  if (index > 25) throw new Error(`BUG: query ${index + 1} of one panel; 26 are allowed`)
  return String.fromCharCode(65 + index)
}

/** Gives properties to the series with this display name. */
export function forName(
  name: string,
  properties: Readonly<Record<string, unknown>>,
): OverrideModel {
  return override('byName', name, properties)
}

/** Gives properties to the series whose display name matches, such as `/ out$/`. */
export function forNames(
  regexp: string,
  properties: Readonly<Record<string, unknown>>,
): OverrideModel {
  return override('byRegexp', regexp, properties)
}

function override(
  id: string,
  options: string,
  properties: Readonly<Record<string, unknown>>,
): OverrideModel {
  return {
    matcher: { id, options },
    properties: Object.entries(properties).map(([key, value]) => ({ id: key, value })),
  }
}

/** One fixed colour for the series with this display name. */
export function paint(name: string, color: string): OverrideModel {
  return forName(name, { color: { mode: 'fixed', fixedColor: color } })
}
