import Templates from 'grafana-dash-gen/grafana/templates/index.js'
import { boardDatasource, type VariableModel } from './model.ts'

/** A variable as grafana-dash-gen's Dashboard takes it: something with `generate`. */
export interface Variable {
  readonly name: string
  generate(): VariableModel
}

function variable(model: VariableModel): Variable {
  return { name: model.name, generate: () => model }
}

/** The choice of data source of a type; starts at the one with uid `preferred` if Grafana has it. */
export function datasourceVariable(
  preferred: { readonly uid: string; readonly name: string },
  type: 'prometheus' | 'influxdb' = 'prometheus',
): Variable {
  return variable({
    name: 'datasource',
    label: 'Data source',
    type: 'datasource',
    query: type,
    current: { text: preferred.name, value: preferred.uid },
    hide: 0,
    includeAll: false,
    multi: false,
    options: [],
    refresh: 1,
    regex: '',
    skipUrlSync: false,
  })
}

/**
 * The values of a label among the series of `metric{selector}`, in alphabetical order and read again when the time
 * range changes. "All" is `.+`, so that it costs one test and not a list of every name.
 */
export function labelVariable(
  name: string,
  title: string,
  source: { readonly metric: string; readonly selector: string },
  choice: { readonly all: boolean } = { all: true },
): Variable {
  const selector = source.selector === '' ? '' : `{${source.selector}}`
  const query = `label_values(${source.metric}${selector}, ${name})`
  return valuesVariable({ name, title, datasource: boardDatasource, query }, choice)
}

/** Values that the data source lists by a query. */
export function valuesVariable(
  source: {
    readonly name: string
    readonly title: string
    readonly datasource: NonNullable<VariableModel['datasource']>
    readonly query: string
  },
  choice: { readonly all: boolean },
): Variable {
  const { name, title, datasource, query } = source
  return variable({
    name,
    label: title,
    type: 'query',
    datasource,
    query,
    current: choice.all ? { text: ['All'], value: ['$__all'] } : { text: '', value: '' },
    hide: 0,
    includeAll: choice.all,
    ...(choice.all ? { allValue: '.+' } : {}),
    multi: true,
    options: [],
    refresh: 2,
    regex: '',
    skipUrlSync: false,
    sort: 1,
  })
}

/** A fixed list; the first of `values` unless `chosen` names another. */
export function listVariable(
  name: string,
  title: string,
  values: readonly string[],
  chosen = values[0]!,
): Variable {
  const options = values.map((value) => ({ text: value, value, selected: value === chosen }))
  const template = new Templates.Custom({
    name,
    label: title,
    options,
    defaultValue: chosen,
    multi: false,
    includeAll: false,
    hide: 0,
    skipUrlSync: false,
  })
  // dash-gen types its output as an open record; `finish` picks the keys Grafana knows.
  return { name, generate: () => template.generate() as VariableModel }
}

/** A text a person may type, such as the hub's address in links. */
export function textVariable(name: string, title: string, text: string): Variable {
  return variable({
    name,
    label: title,
    type: 'textbox',
    query: text,
    current: { text, value: text, selected: true },
    options: [{ text, value: text, selected: true }],
    hide: 0,
    skipUrlSync: false,
  })
}
