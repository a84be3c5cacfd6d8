import type { OtlpAttribute, OtlpResource, OtlpScope } from './otlp-message.ts'
import { addLabels, notUtf8 } from './otlp-names.ts'

/** What an operator decides of the labels (docs/ingest.md). */
export interface OtlpSettings {
  /** Resource attributes that every series of the resource carries. */
  readonly promote: readonly string[]
  /** Whether series carry the name, version and attributes of their scope. */
  readonly scopeLabels: boolean
}

/** Labels, or why there are none. */
export interface LabelsOrFault {
  readonly labels: ReadonlyMap<string, string>
  readonly fault: string | undefined
}

export interface ResourceLabels extends LabelsOrFault {
  /** Labels of `target_info`; undefined when there is nothing to say or nobody to say it of. */
  readonly info: ReadonlyMap<string, string> | undefined
}

const identifying = ['service.name', 'service.namespace', 'service.instance.id']

/**
 * What every series of a resource carries: `job` and `instance` (specification, compatibility/prometheus_and_openmetrics.md,
 * "Resource Attributes"; `host.name` stands in for a `service.instance.id` that is not there), and the promoted attributes.
 */
export function resourceLabels(resource: OtlpResource, settings: OtlpSettings): ResourceLabels {
  const { attributes } = resource
  const text = (key: string) => attributes.find((one) => one.key === key)?.text ?? ''
  const labels = new Map<string, string>()
  const promoted = attributes.filter(({ key }) => settings.promote.includes(key))
  const about = attributes.filter(({ key }) => !identifying.includes(key))
  const info = new Map<string, string>()
  const fault =
    addLabels(labels, promoted) ?? addLabels(info, about) ?? addLabels(new Map(), attributes)
  const namespace = text('service.namespace')
  const service = text('service.name')
  const instance = text('service.instance.id') || text('host.name')
  const job = namespace === '' ? service : `${namespace}/${service}`
  for (const map of [labels, info]) {
    if (service !== '') map.set('job', job)
    if (instance !== '') map.set('instance', instance)
  }
  const known = service !== '' || instance !== ''
  return { labels, fault, info: known && about.length > 0 ? info : undefined }
}

/** What every series of a scope carries. */
export function scopeLabels(scope: OtlpScope, settings: OtlpSettings): LabelsOrFault {
  const labels = new Map<string, string>()
  if (!settings.scopeLabels) return { labels, fault: undefined }
  const { name, version, schemaUrl } = scope
  const fault = [name, version, schemaUrl].some(notUtf8)
    ? 'its scope is not UTF-8'
    : addLabels(labels, scope.attributes, 'otel_scope_')
  for (const [key, text] of Object.entries({ name, version, schema_url: schemaUrl }))
    if (text !== '') labels.set(`otel_scope_${key}`, text)
  return { labels, fault }
}

/** The labels of a point; what the resource and the scope say comes before its own attributes. */
export function pointLabels(
  attributes: readonly OtlpAttribute[],
  resource: LabelsOrFault,
  scope: LabelsOrFault,
): LabelsOrFault {
  const labels = new Map<string, string>()
  const fault = resource.fault ?? scope.fault ?? addLabels(labels, attributes)
  for (const [name, text] of scope.labels) labels.set(name, text)
  for (const [name, text] of resource.labels) labels.set(name, text)
  return { labels, fault }
}
