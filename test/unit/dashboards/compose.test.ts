import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { provisioningFiles } from '../../../dashboards/generate.ts'
import { packageRoot } from '../../../server/assets.ts'
import { readHubConfig } from '../../../server/config.ts'

const folder = join(packageRoot, 'packaging/compose')

interface Service {
  readonly image: string
  readonly environment?: Readonly<Record<string, string>>
  readonly volumes?: readonly string[]
}

const compose = parse(readFileSync(join(folder, 'compose.yaml'), 'utf8')) as {
  readonly services: Readonly<Record<string, Service>>
  readonly volumes: object
}

t.test('what the compose file mounts is there', async (t) => {
  for (const [name, { image, volumes = [] }] of Object.entries(compose.services)) {
    t.match(image, /:[\w.-]+$/, `${name}: a fixed version`)
    for (const volume of volumes) {
      const [from, to] = volume.split(':') as [string, string]
      const isThere = from.startsWith('.')
        ? existsSync(resolve(folder, from))
        : Object.hasOwn(compose.volumes, from)
      t.ok(isThere, `${name}: ${from}`)
      t.match(to, /^\//)
    }
  }
})

t.test('the hub takes its settings, and knows the name Grafana calls it by', async (t) => {
  const config = readHubConfig({ CALLWARD_CONFIG: join(folder, 'callward.yaml') })
  t.equal(config.port, 9770)
  const { CALLWARD_URL } = compose.services['grafana']!.environment!
  t.ok(config.hosts.includes(new URL(CALLWARD_URL!).hostname))
  t.equal(new URL(config.store!.write).hostname in compose.services, true)
})

t.test('Grafana is given every variable that its files name', async (t) => {
  const files = provisioningFiles('http://127.0.0.1:9770')
  const named = [
    'datasources/callward.yaml',
    'victoriametrics/datasources/callward-victoriametrics.yaml',
  ]
    .flatMap((path) => [...files.get(path)!.matchAll(/\$(CALLWARD_\w+)/g)])
    .map(([, name]) => name!)
  t.ok(named.length > 0)
  for (const name of named)
    t.ok(Object.hasOwn(compose.services['grafana']!.environment!, name), name)
})
