import { randomBytes } from 'node:crypto'
import { Secret, TOTP } from 'otpauth'
import { renderSVG } from 'uqr'
import type { Millis } from '../clock.ts'

/** RFC 6238 §5.2 and what every authenticator app expects. */
const stepSeconds = 30
const digits = 6
const algorithm = 'SHA1'
/** Steps before and after now that are taken: clocks of telephones differ. */
const window = 1
/** RFC 4226 §4 R6: 160 bits. */
const secretBytes = 20
export const recoveryCodes = 10

/** A new secret, in base 32. */
export function newFactorSecret(): string {
  return new Secret({ size: secretBytes }).base32
}

/** The step a code was made for, when it is one of now ±1 and newer than `after`; each step counts once. */
export function stepOf(
  secret: string,
  code: string,
  now: Millis,
  after: number | null,
): number | undefined {
  if (!isFactorCode(code)) return undefined
  const totp = new TOTP({
    algorithm,
    digits,
    period: stepSeconds,
    secret: Secret.fromBase32(secret),
  })
  const delta = totp.validate({ token: code, timestamp: now, window })
  if (delta === null) return undefined
  const step = Math.floor(now / 1000 / stepSeconds) + delta
  return after !== null && step <= after ? undefined : step
}

/** The code of an instant; for tests and for whoever has no telephone at hand. */
export function codeAt(secret: string, at: Millis): string {
  const totp = new TOTP({
    algorithm,
    digits,
    period: stepSeconds,
    secret: Secret.fromBase32(secret),
  })
  return totp.generate({ timestamp: at })
}

/** Six digits; anything else may be a recovery code. */
export function isFactorCode(text: string): boolean {
  return /^\d{6}$/.test(text)
}

/** What an authenticator app reads, as text and as the picture of it. */
export function enrolment(secret: string, name: string, hub: string): { uri: string; qr: string } {
  const totp = new TOTP({
    ...{ algorithm, digits, period: stepSeconds },
    issuer: `Callward ${hub}`,
    label: name,
    secret: Secret.fromBase32(secret),
  })
  const uri = totp.toString()
  return { uri, qr: renderSVG(uri, { border: 2, pixelSize: 6 }) }
}

const letters = 'abcdefghijkmnpqrstuvwxyz23456789'

/** Ten codes of 80 random bits: `abcd-efgh-jkmn-pqrs`. */
export function newRecoveryCodes(): string[] {
  return Array.from({ length: recoveryCodes }, () => {
    const text = [...randomBytes(16)].map((byte) => letters[byte % 32]).join('')
    return (text.match(/.{4}/g) ?? []).join('-')
  })
}

/** What is hashed of a recovery code, however it was typed. */
export function plainRecoveryCode(typed: string): string {
  return typed.toLowerCase().replace(/[\s-]/g, '')
}
