import type { Fleet } from './fleet.ts'

/** Lines of a host without values: what stands before each value, in the order of `order`. */
interface Template {
  readonly head: string
  readonly fields: readonly { readonly prefix: string; readonly shape: number }[]
}

/** Influx lines of a fleet as Telegraf would group them: series with the same labels share a line. */
export class InfluxLines {
  readonly #templates: readonly (readonly Template[])[]

  constructor({ hosts, shapes }: Fleet) {
    const groups = new Map<string, { labels: object; fields: Template['fields'][number][] }>()
    for (const [shape, { name, labels }] of shapes.entries()) {
      const key = JSON.stringify(labels)
      const group = groups.get(key) ?? { labels, fields: [] }
      groups.set(key, group)
      // VictoriaMetrics names a series MEASUREMENT_FIELD.
      group.fields.push({ prefix: `${name.replace(/^node_/, '')}=`, shape })
    }
    this.#templates = hosts.map((host) =>
      [...groups.values()].map(({ labels, fields }) => ({
        head: Object.entries({ ...host, ...labels })
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
      const pairs = fields.map(({ prefix, shape }) => prefix + values[shape]!)
      text += `node${head} ${pairs.join(',')} ${time}\n`
    }
    return text
  }
}
