import type { Fleet } from './fleet.ts'

/** Lines of a host without values: what stands before each value. */
interface Template {
  readonly head: string
  readonly fields: readonly { readonly prefix: string; readonly shape: number }[]
}

/** Labels that an agent of this protocol makes part of the field's name, so that more values share a line. */
const folded = ['mode', 'chip', 'sensor', 'trunk']

/**
 * Influx lines of a fleet as Telegraf would group them: series of the same labels share a line. `names`: by shape, as
 * VictoriaMetrics keeps it, MEASUREMENT_FIELD.
 */
export class InfluxLines {
  readonly names: readonly string[]
  readonly #templates: readonly (readonly Template[])[]

  constructor({ hosts, shapes }: Fleet, labelsOf: (host: number) => object) {
    const groups = new Map<string, { labels: object; fields: Template['fields'][number][] }>()
    const names: string[] = []
    for (const [shape, { name, labels }] of shapes.entries()) {
      const entries = Object.entries(labels)
      const kept = Object.fromEntries(entries.filter(([label]) => !folded.includes(label)))
      const key = JSON.stringify(kept)
      const group = groups.get(key) ?? { labels: kept, fields: [] }
      groups.set(key, group)
      const inName = entries.filter(([label]) => folded.includes(label)).map(([, value]) => value)
      const field = [name.replace(/^node_/, ''), ...inName].join('_')
      names.push(`node_${field}`)
      group.fields.push({ prefix: `${field}=`, shape })
    }
    this.names = names
    this.#templates = hosts.map((_, host) =>
      [...groups.values()].map(({ labels, fields }) => ({
        head: Object.entries({ ...labelsOf(host), ...labels })
          .map(([name, value]) => `,${name}=${value}`)
          .join(''),
        fields,
      })),
    )
  }

  /** The text of one host at one time, milliseconds. */
  host(index: number, values: Float64Array, time: number): string {
    let text = ''
    for (const { head, fields } of this.#templates[index]!) {
      text += `node${head} `
      for (let at = 0; at < fields.length; at++) {
        const { prefix, shape } = fields[at]!
        text += at === 0 ? prefix + values[shape]! : `,${prefix}${values[shape]!}`
      }
      text += ` ${time}\n`
    }
    return text
  }
}
