import fp from 'fastify-plugin'
import type { NewFact } from '../../incidents/facts.ts'
import type {} from '../attachments/plugin.ts'
import type {} from '../privacy/plugin.ts'
import type {} from '../search/plugin.ts'

/** Says on an incident's timeline that a file was attached, and takes erased words out of the search. */
export const incidentFilesPlugin = fp(
  async (app) => {
    app.attachments.onAttached(async (tx, attachment) => {
      const { incidentId, name, sha256, bytes, addedAt, addedBy } = attachment
      const fact: NewFact = {
        kind: 'attachment',
        value: { text: name, name, hash: sha256, bytes },
        ...{ certainty: 'actual', occurredAt: addedAt, recordedBy: addedBy, supersedes: null },
      }
      await app.incidents.write(tx, incidentId, [fact])
    })
    app.privacy.onErased((tx, { incidentId }) => app.searchIndex.indexAnew(tx, incidentId))
  },
  {
    name: 'callward-incident-files',
    dependencies: [
      'callward-incidents',
      'callward-attachments',
      'callward-privacy',
      'callward-search',
    ],
  },
)
