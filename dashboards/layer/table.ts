import { type Link, linkModel } from './links.ts'
import type {
  FieldModel,
  MappingModel,
  OverrideModel,
  PanelOptions,
  TableFieldModel,
  ThresholdsModel,
  TransformationModel,
} from './model.ts'
import { DataPanel, forName, type PanelSpec, query, refId } from './panel.ts'

/** Stands in a cell without a value; an empty table says "No data" by itself. */
const emptyCell = '-'

/** A column of a table: a label of the series, or the value of a query. */
export type Column = LabelColumn | ValueColumn

export interface LabelColumn {
  readonly kind: 'label'
  readonly label: string
  readonly title: string
  readonly width?: number
  readonly links?: readonly Link[]
  readonly mappings?: readonly MappingModel[]
}

export interface ValueColumn {
  readonly kind: 'value'
  readonly title: string
  readonly expr: string
  readonly unit: string
  readonly decimals?: number
  readonly width?: number
  readonly thresholds?: ThresholdsModel
  readonly mappings?: readonly MappingModel[]
  /** Keeps the rows but not the column. */
  readonly hidden?: boolean
}

export type TableSpec = Pick<PanelSpec, 'description' | 'width' | 'height' | 'links'> & {
  readonly columns: readonly Column[]
  /** Title of the column that sorts the rows, highest first. */
  readonly sortBy: string
  /** Lowest first instead. */
  readonly isAscending?: boolean
}

/** A column with a label of the series. */
export function label(
  name: string,
  title: string,
  more: Omit<LabelColumn, 'kind' | 'label' | 'title'> = {},
): LabelColumn {
  return { kind: 'label', label: name, title, ...more }
}

/** A column with a query's value; its series must have the table's label columns and no other labels. */
export function value(
  title: string,
  unit: string,
  expr: string,
  more: Omit<ValueColumn, 'kind' | 'title' | 'unit' | 'expr'> = {},
): ValueColumn {
  return { kind: 'value', title, unit, expr: query(expr).expr, ...more }
}

/** In pixels. Grafana's own 150 would put the last columns of a wide table out of sight. */
const narrowestColumn = 80

/** One row a label set, joined over the value columns' queries. Only present series have rows. */
export class Table extends DataPanel {
  protected static override readonly usualHeight = 10
  protected override readonly instant = true
  private readonly columns: readonly Column[]
  private readonly sortBy: string
  private readonly isAscending: boolean

  constructor(
    number: number,
    title: string,
    { columns, sortBy, isAscending = false, ...rest }: TableSpec,
  ) {
    const queries = columns.flatMap((column) =>
      column.kind === 'value' ? [{ expr: column.expr }] : [],
    )
    super(number, title, { ...rest, unit: 'none', queries })
    this.columns = columns
    this.sortBy = sortBy
    this.isAscending = isAscending
  }

  protected override format(): 'table' {
    return 'table'
  }

  /** The name Grafana gives the column: `Value` alone, else `Value #A`, `Value #B` … */
  private fieldNames(): Map<Column, string> {
    const many = this.spec.queries.length > 1
    let index = 0
    return new Map(
      this.columns.map((column) => [
        column,
        column.kind === 'label' ? column.label : many ? `Value #${refId(index++)}` : 'Value',
      ]),
    )
  }

  protected override overrides(): OverrideModel[] {
    const names = this.fieldNames()
    return this.columns
      .filter((column) => !(column.kind === 'value' && column.hidden === true))
      .map((column) => forName(names.get(column)!, properties(column)))
  }

  protected override transformations(): TransformationModel[] {
    const names = [...this.fieldNames()]
    const hidden = names
      .filter(([column]) => column.kind === 'value' && column.hidden === true)
      .map(([, name]) => name)
    const organize = {
      excludeByName: Object.fromEntries(['Time', ...hidden].map((name) => [name, true])),
      indexByName: Object.fromEntries(names.map(([, name], index) => [name, index])),
      renameByName: {},
    }
    const merge = { id: 'merge', options: {} }
    return [...(this.spec.queries.length > 1 ? [merge] : []), { id: 'organize', options: organize }]
  }

  /** The panel's own links stay at its head: in the defaults they would make every cell a link. */
  protected override field(): FieldModel {
    const { links: _, ...field } = super.field()
    return { ...field, noValue: emptyCell }
  }

  protected override visualisation() {
    const custom: Omit<TableFieldModel, 'cellOptions'> = {
      align: 'auto',
      filterable: true,
      minWidth: narrowestColumn,
      inspect: false,
    }
    const options: PanelOptions['table'] = {
      cellHeight: 'sm',
      frameIndex: 0,
      showHeader: true,
      sortBy: [{ displayName: this.sortBy, desc: !this.isAscending }],
    }
    return { type: 'table', options: { ...options }, custom: { ...custom } }
  }
}

function properties(column: Column): Record<string, unknown> {
  const shared = {
    displayName: column.title,
    ...(column.width === undefined ? {} : { 'custom.width': column.width }),
    ...(column.mappings === undefined ? {} : { mappings: column.mappings }),
  }
  if (column.kind === 'label') {
    const coloured =
      column.mappings === undefined ? {} : { 'custom.cellOptions': { type: 'color-text' } }
    return {
      ...shared,
      ...coloured,
      ...(column.links === undefined ? {} : { links: column.links.map(linkModel) }),
    }
  }
  return {
    ...shared,
    unit: column.unit,
    ...(column.decimals === undefined ? {} : { decimals: column.decimals }),
    ...(column.thresholds === undefined && column.mappings === undefined
      ? {}
      : { 'custom.cellOptions': { type: 'color-text' } }),
    ...(column.thresholds === undefined ? {} : { thresholds: column.thresholds }),
  }
}
