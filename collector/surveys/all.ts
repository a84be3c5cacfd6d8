import { backupsSurvey } from '../backups/survey.ts'
import type { CollectorConfig } from '../config.ts'
import { inventorySurvey } from './inventory.ts'
import { kernelClockSurvey } from './kernel-clock.ts'
import { softwareSurvey } from './software/software.ts'
import type { Survey } from './survey.ts'

/** Every survey, in the order the check prints them. */
export const surveys: readonly Survey[] = [
  inventorySurvey,
  kernelClockSurvey,
  softwareSurvey,
  backupsSurvey,
]

/** Those that are not switched off, each at the interval the configuration sets. */
export function chosenSurveys(config: CollectorConfig): Survey[] {
  return surveys
    .filter(({ name }) => config.sections[name] !== false)
    .map((survey) => {
      const everyMilliseconds = survey.intervalOf?.(config) ?? survey.everyMilliseconds
      return { ...survey, everyMilliseconds }
    })
}
