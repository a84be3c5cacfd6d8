import type { FastifyInstance } from 'fastify'
import { attachedPanels } from '../../incidents/panels.ts'
import type { Picture } from '../../incidents/picture.ts'
import type {} from '../attachments/plugin.ts'

/** Pictures of an incident's panels as `data:` addresses, by the id of their attachment; those that are erased or damaged are not among them. */
export async function contentsOf(
  app: FastifyInstance,
  picture: Picture,
  incidentId: string,
): Promise<ReadonlyMap<string, string>> {
  const contents = new Map<string, string>()
  for (const { file } of attachedPanels(picture)) {
    const bytes = await app.attachments.read(incidentId, file).catch((err: unknown) => {
      app.log.error({ err, attachment: file }, 'a picture of a post-mortem cannot be shown')
      return undefined
    })
    if (bytes !== undefined) contents.set(file, `data:image/png;base64,${bytes.toString('base64')}`)
  }
  return contents
}

/** Where the hub shows them, for documents that hold no pictures. */
export function addressesOf(
  picture: Picture,
  incidentId: string,
  hub: string,
): ReadonlyMap<string, string> {
  const panels = attachedPanels(picture).filter(({ hash }) => hash !== undefined)
  return new Map(
    panels.map(({ file }) => [
      file,
      `${hub}/api/v1/incidents/${incidentId}/attachments/${file}?inline=true`,
    ]),
  )
}
