/** Labels of the hub's own series. */
export const hubLabels = {
  job: 'callward-hub',
  instance: 'hub',
  customer: 'callward',
  site: 'hub',
  server: 'hub',
  role: 'hub',
  env: 'production',
} as const

/** Whether series of these labels are the hub's own: nobody else may write them. */
export function areHubLabels(labels: Readonly<Record<string, string>>): boolean {
  return labels['job'] === hubLabels.job && labels['instance'] === hubLabels.instance
}
