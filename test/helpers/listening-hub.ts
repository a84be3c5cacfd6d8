import { mkdirSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { buildApp } from '../../server/app.ts'
import type { Clock } from '../../server/clock.ts'
import { readHubConfig } from '../../server/config.ts'
import { prepareDataFolder } from '../../server/first-start.ts'
import { adminToken } from './hub.ts'

/** The whole hub in this process, by a clock of the test, listening on a port of its own for programs. Whoever starts it closes it. */
export async function listeningHub(
  configFile: string,
  data: string,
  clock: Clock,
): Promise<{ app: FastifyInstance; url: string }> {
  const config = readHubConfig({
    CALLWARD_CONFIG: configFile,
    CALLWARD_DATA: data,
    CALLWARD_ADMIN_TOKEN: adminToken,
    CALLWARD_LOG: 'silent',
  })
  mkdirSync(config.data, { recursive: true })
  prepareDataFolder(config)
  const app = await buildApp(config, clock)
  await app.listen({ host: '127.0.0.1', port: 0 })
  return { app, url: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}` }
}
