import type { Survey } from '../survey.ts'
import { defaultMinutes } from './settings.ts'

/** Loaded by the child process alone: the collector itself stays small. */
const library = () => import('./take.ts')

/** Packages, versions of services, hashes of configuration files, certificates, licences, updates, reboot. */
export const softwareSurvey: Survey = {
  name: 'software',
  everyMilliseconds: defaultMinutes * 60_000,
  intervalOf: ({ software }) => (software.everyMinutes ?? defaultMinutes) * 60_000,
  parts: ['packages', 'software', 'config_files', 'certificates', 'licences', 'updates', 'reboot'],
  limitMilliseconds: 300_000,
  // dnf may take a minute.
  stallMilliseconds: 75_000,
  take: async (config, onPart) => (await library()).takeSoftware(config, Date.now(), onPart),
}
