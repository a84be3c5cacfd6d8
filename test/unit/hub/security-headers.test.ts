import fastify from 'fastify'
import tap from 'tap'
import { readHubConfig } from '../../../server/config.ts'
import { securityHeaders } from '../../../server/security-headers.ts'

async function headersOf(environment: Record<string, string> = {}) {
  const app = fastify()
  app.addHook('onRequest', securityHeaders(readHubConfig(environment)))
  app.get('/page', async () => 'here')
  const found = await app.inject('/page')
  const missed = await app.inject('/no-such-page')
  return [found, missed].map(({ headers }) => headers)
}

tap.test(
  'every answer, found or not, keeps others from framing it and scripts of others out',
  async (t) => {
    for (const headers of await headersOf()) {
      const policy = String(headers['content-security-policy']).split(';')
      for (const part of [
        "default-src 'self'",
        "script-src 'self'",
        "object-src 'none'",
        "frame-ancestors 'none'",
      ])
        t.ok(policy.includes(part), part)
      t.equal(headers['x-content-type-options'], 'nosniff')
      t.equal(headers['x-powered-by'], undefined)
      t.notOk(policy.includes('upgrade-insecure-requests'), 'plain http on loopback stays plain')
      t.equal(headers['strict-transport-security'], undefined)
    }
  },
)

tap.test('behind https a browser is told to stay there', async (t) => {
  for (const headers of await headersOf({ CALLWARD_PUBLIC_URL: 'https://callward.example' })) {
    t.match(headers['strict-transport-security'], /^max-age=31536000/)
    t.match(headers['content-security-policy'], /upgrade-insecure-requests/)
  }
})
