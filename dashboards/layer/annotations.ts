import { type AnnotationModel, boardDatasource } from './model.ts'
import { query } from './panel.ts'

/** An overlay as grafana-dash-gen's Dashboard takes it: something with `generate`. */
export interface Annotation {
  generate(): AnnotationModel
}

/** Marks where `expr` has a value above 0; neighbouring points, at most one step apart, become one band. */
export function annotation(spec: {
  readonly name: string
  readonly color: string
  readonly expr: string
  /** Grafana's `{{label}}` texts. */
  readonly title: string
  readonly text: string
  readonly tags: readonly string[]
}): Annotation {
  const model: AnnotationModel = {
    name: spec.name,
    datasource: boardDatasource,
    enable: true,
    hide: false,
    iconColor: spec.color,
    expr: query(spec.expr).expr,
    step: '60s',
    titleFormat: spec.title,
    textFormat: spec.text,
    tagKeys: spec.tags.join(','),
  }
  return { generate: () => model }
}

/** Grafana's own entry, which a board must list to show annotations made by hand. */
export const grafanaAnnotations: Annotation = {
  generate: () => ({
    builtIn: 1,
    datasource: { type: 'grafana', uid: '-- Grafana --' },
    enable: true,
    hide: true,
    iconColor: 'blue',
    name: 'Annotations & Alerts',
    type: 'dashboard',
  }),
}
