import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import { version } from './assets.ts'
import { type HubConfig, publicUrl } from './config.ts'

/** Settings of the document at `/api/v1/openapi.json`: the REST part of the hub. */
export function openApi(config: HubConfig): FastifyDynamicSwaggerOptions {
  return {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Callward hub',
        version,
        description: 'Hosts, alerts, incidents, tokens.',
        license: { name: 'Apache-2.0' },
      },
      servers: [{ url: publicUrl(config) }],
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer' },
          basic: { type: 'http', scheme: 'basic', description: 'The token is the password.' },
          cookie: { type: 'apiKey', in: 'cookie', name: 'callward_session' },
        },
      },
      security: [{ bearer: [] }, { basic: [] }, { cookie: [] }],
    },
    transform({ schema, url, route }) {
      const access = route.config?.access
      const open = access?.roles === 'open'
      return {
        url,
        schema: {
          ...schema,
          hide: !url.startsWith('/api/v1/'),
          tags: access === undefined ? [] : [access.owner],
          ...(access === undefined || open
            ? {}
            : { description: `Roles: ${(access.roles as readonly string[]).join(', ')}.` }),
          ...(open ? { security: [] } : {}),
        },
      }
    },
  }
}

/** `/api/v1/openapi.json`, for every role that can read anything. */
export function openApiRoute(app: FastifyInstance): void {
  app.get(
    '/api/v1/openapi.json',
    {
      config: {
        access: { owner: 'hub', roles: ['admin', 'operator', 'auditor', 'collector', 'grafana'] },
      },
    },
    async () => app.swagger(),
  )
}
