import type { ComponentType } from 'preact'
import { IncidentAssignments } from './incident-assignments.tsx'
import { IncidentClocks } from './incident-clocks.tsx'
import { IncidentEvidence } from './incident-evidence.tsx'
import { IncidentFiles } from './incident-files.tsx'
import { IncidentNotices } from './incident-notices.tsx'
import { IncidentPeople } from './incident-people.tsx'
import { IncidentStanding } from './incident-standing.tsx'
import type { PartProps } from './incident-steps.tsx'

/** A card of the incident page: what it needs is in its props; one whose routes are absent shows nothing. */
export type IncidentPart = ComponentType<PartProps>

/**
 * Cards beside the timeline, in this order. A further part of the hub (assignments, notices, clocks, attachments) adds its
 * component here and nowhere else.
 */
export const incidentParts: readonly (readonly [string, IncidentPart])[] = [
  ['people', IncidentPeople],
  ['assignments', IncidentAssignments],
  ['clocks', IncidentClocks],
  ['notices', IncidentNotices],
  ['standing', IncidentStanding],
  ['evidence', IncidentEvidence],
  ['files', IncidentFiles],
]
