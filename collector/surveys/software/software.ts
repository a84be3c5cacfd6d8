import type { Survey } from '../survey.ts'
import { defaultMinutes } from './settings.ts'

/** Loaded by the child process alone: the collector itself stays small. */
const library = () => import('./take.ts')

/** Packages, versions of services, hashes of configuration files, certificates, licences, updates, reboot. */
export const softwareSurvey: Survey = {
  name: 'software',
  everyMilliseconds: defaultMinutes * 60_000,
  intervalOf: ({ software }) => (software.everyMinutes ?? defaultMinutes) * 60_000,
  limitMilliseconds: 300_000,
  take: async (config) => (await library()).takeSoftware(config, Date.now()),
}
