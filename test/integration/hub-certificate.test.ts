import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { buildApp } from '../../server/app.ts'
import { readHubConfig } from '../../server/config.ts'
import { prepareDataFolder } from '../../server/first-start.ts'
import { makeCertificate, opensslMissing } from '../helpers/certificates.ts'
import { folderOf } from '../helpers/folder.ts'
import { adminToken, until } from '../helpers/hub.ts'
import { MovedClock } from './changes-desk.ts'

t.test('the hub watches the end of its own certificate', { skip: opensslMissing }, async (t) => {
  const folder = folderOf(t, { data: {} })
  const [certificate, key] = [join(folder, 'hub.crt'), join(folder, 'hub.key')]
  const put = (days: number) => {
    const made = makeCertificate(days)
    writeFileSync(certificate, made.certificate)
    writeFileSync(key, made.key)
  }
  put(2)
  const file = join(folder, 'callward.yaml')
  writeFileSync(file, 'hub: { ruleIntervalSeconds: 1 }\n')
  const config = readHubConfig({
    CALLWARD_CONFIG: file,
    CALLWARD_DATA: join(folder, 'data'),
    CALLWARD_ADMIN_TOKEN: adminToken,
    CALLWARD_TLS_CERTIFICATE: certificate,
    CALLWARD_TLS_KEY: key,
    CALLWARD_LOG: 'silent',
  })
  mkdirSync(config.data, { recursive: true })
  prepareDataFolder(config)
  const clock = new MovedClock()
  const app = await buildApp(config, clock)
  t.teardown(() => app.close())
  await app.ready()
  const firing = () =>
    app.rules
      .activeAlerts()
      .filter(({ rule, state }) => rule.startsWith('HubCertificate') && state === 'firing')
      .map(({ rule, instance }) => `${rule} ${instance}`)
  const fires = (...expected: string[]) =>
    until(`firing: ${expected}`, () => String(firing()) === String(expected), 60_000)

  await fires('HubCertificateEnding hub')
  // In its first minute a hub ends no alert.
  clock.ahead = 120_000
  put(10)
  process.emit('SIGHUP', 'SIGHUP')
  await fires('HubCertificateEndsSoon hub')
  put(60)
  process.emit('SIGHUP', 'SIGHUP')
  await fires()
  put(-1)
  process.emit('SIGHUP', 'SIGHUP')
  await fires('HubCertificateEnding hub')
})
