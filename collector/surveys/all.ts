import { backupsSurvey } from '../backups/survey.ts'
import { inventorySurvey } from './inventory.ts'
import { kernelClockSurvey } from './kernel-clock.ts'
import type { Survey } from './survey.ts'

/** Every survey, in the order the check prints them. */
export const surveys: readonly Survey[] = [inventorySurvey, kernelClockSurvey, backupsSurvey]
