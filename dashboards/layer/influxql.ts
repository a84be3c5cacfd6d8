import type { PanelModel } from './model.ts'
import { type DataPanel, Panel, refId } from './panel.ts'
import { datasourceVariable, type Variable, valuesVariable } from './variables.ts'

/** The data source of boards on InfluxDB: their `datasource` variable. */
const influxDatasource = { type: 'influxdb', uid: `\${datasource}` }

/** Grafana's own arithmetic over other queries of the panel. */
const expressionDatasource = { type: '__expr__', uid: '__expr__' }

/** One InfluxQL query; `alias` is Grafana's `$tag_NAME` text. Hidden: only for arithmetic. */
export interface InfluxQuery {
  readonly kind: 'query'
  readonly query: string
  readonly alias?: string
  readonly hidden?: boolean
}

/** Grafana's arithmetic, such as `1 - $A / $B`, by equal labels; `name` is `${__field.labels.NAME}` text. */
export interface InfluxMath {
  readonly kind: 'math'
  readonly expression: string
  readonly name: string
}

export type InfluxTarget = InfluxQuery | InfluxMath

/** A newest value is looked for so far back: what the hub sends is there some six minutes after it came. */
const newestWithin = '15m'

/** Reports come every ten seconds, not on the dot: in a minute every series has a value. */
const leastInterval = '1m'

/** A panel drawn as another one, with InfluxDB's answers: title, words, unit, limits and links are that one's. */
export class InfluxPanel extends Panel {
  readonly #of: DataPanel
  readonly #targets: readonly InfluxTarget[]

  constructor(of: DataPanel, targets: readonly InfluxTarget[]) {
    super(of.number, of.title, { width: of.width, height: of.height })
    this.#of = of
    this.#targets = targets
  }

  protected override body(): Omit<PanelModel, 'id' | 'title' | 'gridPos'> {
    const { id: _, title: __, gridPos: ___, ...model } = this.#of.generate()
    const newest = model.targets?.some((target) => target['instant'] === true) === true
    const { defaults, overrides } = model.fieldConfig!
    return {
      ...model,
      datasource: influxDatasource,
      targets: this.#targets.map(targetModel),
      fieldConfig: { defaults, overrides: [...this.#names(), ...overrides] },
      interval: leastInterval,
      ...(newest ? { timeFrom: newestWithin } : {}),
    }
  }

  /** Arithmetic has no alias: its series are named by their labels. */
  #names(): NonNullable<PanelModel['fieldConfig']>['overrides'] {
    return this.#targets.flatMap((target, index) =>
      target.kind === 'math'
        ? [
            {
              matcher: { id: 'byFrameRefID', options: refId(index) },
              properties: [{ id: 'displayName', value: target.name }],
            },
          ]
        : [],
    )
  }
}

function targetModel(target: InfluxTarget, index: number): Record<string, unknown> {
  const id = refId(index)
  if (target.kind === 'math')
    return {
      refId: id,
      datasource: expressionDatasource,
      type: 'math',
      expression: target.expression,
    }
  const { query, alias, hidden } = target
  return {
    refId: id,
    datasource: influxDatasource,
    query,
    rawQuery: true,
    resultFormat: 'time_series',
    ...(alias === undefined ? {} : { alias }),
    ...(hidden === true ? { hide: true } : {}),
  }
}

/** The choice of an InfluxDB; starts at the one with uid `preferred` if Grafana has it. */
export function influxDatasourceVariable(preferred: {
  readonly uid: string
  readonly name: string
}): Variable {
  return datasourceVariable(preferred, 'influxdb')
}

/** The values of a tag in a measurement, narrowed by the conditions; "All" is `.+`. */
export function tagVariable(
  name: string,
  title: string,
  source: { readonly measurement: string; readonly where: readonly string[] },
  choice: { readonly all: boolean },
): Variable {
  const where = source.where.length === 0 ? '' : ` WHERE ${source.where.join(' AND ')}`
  const query = `SHOW TAG VALUES FROM "${source.measurement}" WITH KEY = "${name}"${where}`
  return valuesVariable({ name, title, datasource: influxDatasource, query }, choice)
}
