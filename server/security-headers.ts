import type { onRequestHookHandler } from 'fastify'
import helmet from 'helmet'
import { type HubConfig, publicUrl } from './config.ts'

/**
 * Headers for every answer: only the hub's own scripts run, nothing frames its pages. They are worded once; the Fastify
 * plugin of the same library words them anew for each request.
 */
export function securityHeaders(config: HubConfig): onRequestHookHandler {
  const https = publicUrl(config).startsWith('https:')
  const apply = helmet({
    contentSecurityPolicy: {
      directives: {
        defaultSrc: ["'self'"],
        // uPlot and the runbook page set styles of their own.
        styleSrc: ["'self'", "'unsafe-inline'"],
        imgSrc: ["'self'", 'data:'],
        connectSrc: ["'self'"],
        objectSrc: ["'none'"],
        frameAncestors: ["'none'"],
        formAction: ["'self'"],
        // Over plain http on loopback an upgrade would break every request.
        upgradeInsecureRequests: https ? [] : null,
      },
    },
    strictTransportSecurity: https ? { maxAge: 31_536_000 } : false,
    crossOriginOpenerPolicy: https,
    originAgentCluster: https,
  })
  return (request, reply, done) => apply(request.raw, reply.raw, (cause) => done(asError(cause)))
}

function asError(cause: unknown): Error | undefined {
  return cause === undefined || cause instanceof Error ? cause : new Error(String(cause))
}
