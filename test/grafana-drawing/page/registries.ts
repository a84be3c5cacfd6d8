import {
  booleanOverrideProcessor,
  dataLinksOverrideProcessor,
  displayNameOverrideProcessor,
  type FieldConfigPropertyItem,
  identityOverrideProcessor,
  numberOverrideProcessor,
  standardEditorsRegistry,
  standardFieldConfigEditorRegistry,
  standardTransformers,
  standardTransformersRegistry,
  stringOverrideProcessor,
  thresholdsOverrideProcessor,
  unitOverrideProcessor,
  valueMappingsOverrideProcessor,
} from '@grafana/data'

/** Nothing is edited here. */
const noEditor = () => null
const always = () => true

/** The properties that every field has in Grafana, each with Grafana's own way to read it. */
const properties = {
  displayName: displayNameOverrideProcessor,
  unit: unitOverrideProcessor,
  min: numberOverrideProcessor,
  max: numberOverrideProcessor,
  decimals: numberOverrideProcessor,
  noValue: stringOverrideProcessor,
  color: identityOverrideProcessor,
  thresholds: thresholdsOverrideProcessor,
  mappings: valueMappingsOverrideProcessor,
  links: dataLinksOverrideProcessor,
  fieldMinMax: booleanOverrideProcessor,
} as const

function standardProperties(): FieldConfigPropertyItem[] {
  return Object.entries(properties).map(([id, process]) => ({
    ...{ id, path: id, name: id, settings: {}, editor: noEditor, override: noEditor },
    process: process as FieldConfigPropertyItem['process'],
    shouldApply: always,
  }))
}

/** Fills the registries that Grafana itself fills when it starts. */
export function fillRegistries(): void {
  standardFieldConfigEditorRegistry.setInit(standardProperties)
  standardEditorsRegistry.setInit(() => [])
  standardTransformersRegistry.setInit(() =>
    [...new Set(Object.values(standardTransformers))].map((info) => ({
      ...{ id: info.id, name: info.name, editor: noEditor, imageDark: '', imageLight: '' },
      transformation: async () => info,
    })),
  )
}
