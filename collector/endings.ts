import type { ConnectionEnd } from './connection.ts'
import { closeCodes } from './wire/frames.ts'

const refusalCodes: ReadonlySet<number> = new Set([
  closeCodes.unauthorized,
  closeCodes.forbidden,
  closeCodes.unsupportedVersion,
  closeCodes.replaced,
  closeCodes.badFrame,
  closeCodes.tooLarge,
  closeCodes.hubNotProven,
])

/** Whether the hub will not have us until someone acts. */
export function isRefusal(end: ConnectionEnd): boolean {
  const status = end.httpStatus
  // A hub that is busy or starting will have us by and by.
  if (status !== undefined) return status !== 429 && status < 500
  return refusalCodes.has(end.code)
}

const wrongToken =
  'the hub does not accept this token: make one there (callward token create --name HOST --role collector) and put it into CALLWARD_TOKEN or CALLWARD_TOKEN_FILE; on the hub itself it is in <data>/collector/token'

const unknownEnrolment =
  'the hub does not know this enrolment: it is another hub, or one restored from before; enrol this host again (on the hub: callward enrol)'

/** What happened and what to do, for the log; `severe` when waiting alone will not mend it. */
export function explain(
  end: ConnectionEnd,
  url: string,
  isEnrolled = false,
): { message: string; severe: boolean } {
  const status = end.httpStatus
  if (end.code === closeCodes.hubNotProven) {
    return { message: `nothing was sent to ${url}: ${end.reason}`, severe: true }
  }
  if (isEnrolled && status === 401) return { message: unknownEnrolment, severe: true }
  if (isEnrolled && end.code === closeCodes.unauthorized) {
    return { message: `the hub refuses this collector's proof: ${end.reason}`, severe: true }
  }
  if (status === 401 || end.code === closeCodes.unauthorized)
    return { message: wrongToken, severe: true }
  if (status === 421) {
    return {
      message: `the hub does not answer to the name in ${url}: use its address, or add the name to hub.hosts in its configuration`,
      severe: true,
    }
  }
  if (end.code === closeCodes.forbidden && end.reason !== '') {
    return { message: end.reason, severe: true }
  }
  if (status === 403 || end.code === closeCodes.forbidden) {
    return { message: 'this token may not report: use a token of role collector', severe: true }
  }
  if (status === 404) {
    return {
      message: `${url} answers but has no /session: is CALLWARD_HUB the hub's address?`,
      severe: true,
    }
  }
  if (end.code === closeCodes.unsupportedVersion) {
    return {
      message: 'hub and collector speak different protocols: update the older one',
      severe: true,
    }
  }
  if (end.code === closeCodes.replaced) {
    const message =
      'another collector uses this identity: give each its own data folder (CALLWARD_DATA)'
    return { message, severe: true }
  }
  if (end.code === closeCodes.storageUnavailable) {
    return {
      message: 'the hub cannot store: free space on its disk; reports wait here',
      severe: true,
    }
  }
  const reason = end.reason === '' ? `code ${end.code}` : end.reason
  return {
    message: `no connection to the hub at ${url}: ${reason}; reports wait here`,
    severe: false,
  }
}
