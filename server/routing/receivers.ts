import {
  type DocumentFault,
  DocumentReader,
  type Mapping,
  type Path,
} from '../../alerts/document.ts'
import type { Receiver, RoutingConfig } from '../../alerts/routing-config.ts'

/** What a receiver does when it is told. */
export type ReceiverTarget =
  /** A page that climbs a policy; `default`: the alert's label, the configuration, everybody on staff. */
  | { readonly kind: 'page'; readonly policy: string | undefined }
  /** Told once: no acknowledgement, nothing climbs. */
  | { readonly kind: 'contact' | 'person' | 'team'; readonly name: string }

/** Receivers by name; one without targets tells nobody, as in Alertmanager. */
export type Targets = ReadonlyMap<string, readonly ReceiverTarget[]>

const key = 'callward_configs'
const kinds = ['policy', 'contact', 'person', 'team'] as const
const targetsMax = 50
const example = 'callward_configs: [{policy: telephony}]'
/** The policy that stands for what is done without a routing file. */
export const defaultPolicy = 'default'

/** Reads what each receiver does; every setting this hub cannot follow is a fault with its place. */
export function readTargets(config: Pick<RoutingConfig, 'receivers'>, document: unknown) {
  const reader = new DocumentReader()
  const places = placesOf(document)
  const targets = new Map<string, readonly ReceiverTarget[]>()
  for (const receiver of config.receivers.values()) {
    const path = ['receivers', places.get(receiver.name) ?? 0]
    targets.set(receiver.name, targetsOf(reader, receiver, path))
  }
  return { targets: targets as Targets, faults: reader.faults as readonly DocumentFault[] }
}

function placesOf(document: unknown): ReadonlyMap<unknown, number> {
  const { receivers } = (document ?? {}) as { receivers?: unknown }
  const list = Array.isArray(receivers) ? receivers : []
  return new Map(list.map((one, i) => [(one as Mapping | null)?.['name'], i]))
}

function targetsOf(reader: DocumentReader, receiver: Receiver, path: Path): ReceiverTarget[] {
  for (const name of Object.keys(receiver.settings))
    if (name !== 'name' && name !== key) reader.fault([...path, name], unknown(receiver.name, name))
  return reader
    .list(receiver.settings[key], [...path, key], targetsMax, example)
    .flatMap((item, i) => target(reader, item, [...path, key, i]) ?? [])
}

function unknown(receiver: string, name: string): string {
  if (!name.endsWith('_configs'))
    return `unknown key "${name}" of receiver "${receiver}"; known are name, ${key}`
  const channel = name.slice(0, -'_configs'.length)
  return `${name} is not supported: this hub sends by its own contact points. Make one (channel ${channel} where there is one, "callward notify --help"), and write "${key}: [{contact: NAME}]"; for people on call "${key}: [{policy: NAME}]"`
}

function target(reader: DocumentReader, item: unknown, path: Path): ReceiverTarget | undefined {
  const one = reader.mapping(item, path, [...kinds, 'send_resolved'], '{policy: telephony}')
  if (one === undefined) return undefined
  reader.flag(one['send_resolved'], [...path, 'send_resolved'])
  const given = kinds.filter((kind) => one[kind] !== undefined && one[kind] !== null)
  const [kind] = given
  if (kind === undefined || given.length > 1)
    return reader.fault(path, `give one of ${kinds.join(', ')}; example: "${example}"`)
  const name = reader.text(one[kind], [...path, kind], `${kind}: NAME`)
  if (name === undefined) return undefined
  if (kind !== 'policy') return { kind, name }
  return { kind: 'page', policy: name === defaultPolicy ? undefined : name }
}
