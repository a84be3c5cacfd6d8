import type { HostLabels } from '../../collector/wire/frames.ts'

/** The labels of a host as a bank would set them. */
export const hostLabels: HostLabels = {
  job: 'callward',
  instance: 'pbx-01',
  customer: 'bank-a',
  site: 'hanoi',
  server: 'pbx-01',
  role: 'pbx',
  env: 'production',
}
