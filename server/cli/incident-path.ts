/** The hub's path of the incident that somebody names by its number (`12` or `#12`) or its id. */
export function incidentPath(name: string): string {
  return `/api/v1/incidents/${encodeURIComponent(name.replace(/^#/, ''))}`
}
