import { createHash, randomBytes } from 'node:crypto'
import { isIP } from 'node:net'

/** What a token or a session may do; docs/access.md holds the table. */
export const roles = ['admin', 'operator', 'auditor', 'collector', 'grafana'] as const
export type Role = (typeof roles)[number]

/** Roles of people; the others belong to programs. */
export const staffRoles: readonly Role[] = ['admin', 'operator', 'auditor']

/** How somebody came in to the console. */
export type Way = 'link' | 'token' | 'password'

/** Who asks. */
export interface Principal {
  readonly id: string
  readonly name: string
  readonly role: Role
  /** A cookie needs an Origin check that a header does not. */
  readonly via: 'token' | 'cookie'
  /** Id of the console session it came by. */
  readonly session?: string
  /** How that session was signed in. Only a password is known to nobody but its owner: links and tokens are made by others. */
  readonly way?: Way
  /** The role needs a second factor and there is none yet: only what sets it up is open. */
  readonly limited?: true
}

/** Every route states these in its `config.access`; a route without them stops the hub from starting. */
export interface RouteAccess {
  /** Capability that answers for the route. */
  readonly owner: string
  readonly roles: readonly Role[] | 'open'
  /** Open to people whose role needs a second factor they have not set up yet. */
  readonly beforeSecondFactor?: true
}

/** A new opaque secret: 256 random bits with a prefix that secret scanners can find. */
export function newSecret(prefix: 'cwt' | 'cws' | 'cwl'): string {
  return `${prefix}_${randomBytes(32).toString('base64url')}`
}

/** What is stored of a secret: SHA-256, hex. Enough for 256-bit random secrets, which cannot be guessed. */
export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}

/** The token of `Bearer TOKEN`, or the password of `Basic`; undefined when there is none or it is malformed. */
export function tokenOf(authorization: string | undefined): string | undefined {
  if (authorization === undefined) return undefined
  const [scheme, credentials] = authorization.trim().split(/\s+/, 2)
  if (scheme === undefined || credentials === undefined) return undefined
  if (scheme.toLowerCase() === 'bearer') return credentials
  if (scheme.toLowerCase() !== 'basic') return undefined
  const text = Buffer.from(credentials, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  return colon < 0 ? undefined : text.slice(colon + 1) || undefined
}

/** Host name of a `Host` header, without port and brackets, lower case. */
export function hostName(header: string | undefined): string {
  const match = /^(\[[^\]]*\]|[^:]*)(?::\d+)?$/.exec((header ?? '').trim())
  return (match?.[1] ?? '').replace(/^\[|\]$/g, '').toLowerCase()
}

/**
 * Whether the hub answers to a `Host` header. Addresses always: DNS rebinding needs a name. Names only
 * when listed.
 */
export function hostAllowed(header: string | undefined, names: ReadonlySet<string>): boolean {
  const name = hostName(header)
  return name !== '' && (isIP(name) !== 0 || names.has(name))
}

/** Whether an `Origin` header names the very host and port the request went to. */
export function sameOrigin(origin: string | undefined, host: string | undefined): boolean {
  if (origin === undefined || host === undefined) return false
  try {
    return new URL(origin).host === host.toLowerCase()
  } catch {
    return false
  }
}
