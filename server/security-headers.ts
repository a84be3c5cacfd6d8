import type { FastifyHelmetOptions } from '@fastify/helmet'
import type { HubConfig } from './config.ts'

/** Headers for every answer: only the hub's own scripts run, nothing frames its pages. */
export function securityHeaders(config: HubConfig): FastifyHelmetOptions {
  const https = config.publicUrl?.startsWith('https:') ?? false
  return {
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
  }
}
