import type { CollectorConfig } from '../config.ts'
import type { SessionLogger } from '../session.ts'
import { EnrolmentError, type EnrolmentFile } from './files.ts'
import { type SessionKey, sessionKey } from './handshake.ts'
import { fromBase64url } from './keys.ts'
import { machineFacts, machineFingerprint } from './machine.ts'
import { SessionCountFile } from './session-count.ts'

/**
 * What an enrolled collector proves itself with; undefined without an enrolment. Throws EnrolmentError when the configuration
 * says what the enrolment does not allow.
 */
export function keyOf(
  enrolment: EnrolmentFile | undefined,
  config: CollectorConfig,
  logger: SessionLogger,
): SessionKey | undefined {
  if (enrolment === undefined) return undefined
  const { instance } = config.labels
  if (instance !== enrolment.instance) {
    throw new EnrolmentError(
      `This host is enrolled as "${enrolment.instance}", labels.instance says "${instance}". Take labels.instance out, or enrol it again under that name.`,
    )
  }
  if (config.token !== undefined)
    logger.warn({ instance }, 'this host is enrolled: CALLWARD_TOKEN is not used')
  const { rootfs, sys } = config.roots
  return sessionKey({
    enrolment,
    count: SessionCountFile.open(config.folder, enrolment.enrolment),
    machine: machineFingerprint(machineFacts({ rootfs, sys }), fromBase64url(enrolment.salt)),
    onUnsaved: (err) =>
      logger.error(
        { err },
        'the count of sessions could not be written: a restart before it can may need this host to be enrolled again',
      ),
  })
}
