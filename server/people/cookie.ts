import type { FastifyReply } from 'fastify'
import { type HubConfig, publicUrl } from '../config.ts'

/** Name of the console's session cookie. */
export const sessionCookie = 'callward_session'

/** Sets the console's cookie; age 0 clears it. */
export function setSessionCookie(
  reply: FastifyReply,
  config: HubConfig,
  secret: string,
  maxAgeSeconds: number,
): void {
  reply.setCookie(sessionCookie, secret, {
    path: '/',
    httpOnly: true,
    sameSite: 'strict',
    secure: publicUrl(config).startsWith('https:'),
    maxAge: maxAgeSeconds,
  })
}
