import type { RouteOptions } from 'fastify'
import t from 'tap'
import { buildApp } from '../../../server/app.ts'
import { systemClock } from '../../../server/clock.ts'
import { readHubConfig } from '../../../server/config.ts'
import { prepareDataFolder } from '../../../server/first-start.ts'
import { compileSerializer, compileValidator } from '../../../server/schema-compilers.ts'
import { folderOf } from '../../helpers/folder.ts'
import { adminToken } from '../../helpers/hub.ts'

/** Parts of a request that a schema may be given for. */
const parts = ['body', 'querystring', 'params', 'headers'] as const

t.test(
  'the schemas of every route can be compiled, though a hub compiles them when used',
  async (t) => {
    const config = readHubConfig({
      CALLWARD_DATA: folderOf(t),
      CALLWARD_ADMIN_TOKEN: adminToken,
      CALLWARD_LOG: 'silent',
    })
    prepareDataFolder(config)
    const routes: RouteOptions[] = []
    const app = await buildApp(config, systemClock, (app) => {
      app.addHook('onRoute', (route) => {
        routes.push(route)
      })
    })
    t.teardown(() => app.close())
    await app.ready()
    let compiled = 0
    for (const { schema, method, url } of routes) {
      const at = { method: String(method), url }
      for (const part of parts) {
        const wanted = schema?.[part]
        if (wanted === undefined || wanted === null) continue
        compileValidator({ schema: wanted, httpPart: part, ...at })
        compiled += 1
      }
      for (const [httpStatus, response] of Object.entries(schema?.response ?? {})) {
        compileSerializer({ schema: response, httpStatus, ...at })
        compiled += 1
      }
    }
    t.ok(routes.length > 150 && compiled > 200, `${compiled} schemas of ${routes.length} routes`)
    const refused = await app.inject({
      method: 'POST',
      url: '/api/v1/tokens',
      headers: { authorization: `Bearer ${adminToken}` },
      payload: { name: 7, role: 'nobody', more: true },
    })
    t.equal(refused.statusCode, 400)
    t.match(refused.json(), { error: { code: 'bad_request', message: /^body/ } })
  },
)
