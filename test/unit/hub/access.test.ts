import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../../server/assets.ts'
import { ConfigError, parseListen, publicUrl, readHubConfig } from '../../../server/config.ts'
import { shownError } from '../../../server/error-answers.ts'
import { CallwardError, errorTable } from '../../../server/errors.ts'
import { uuid } from '../../../server/ids.ts'
import {
  hashSecret,
  hostAllowed,
  newSecret,
  sameOrigin,
  tokenOf,
} from '../../../server/people/access.ts'
import { folderOf } from '../../helpers/folder.ts'

t.test('the token of an Authorization header', async (t) => {
  const check = (header: string | undefined, token: string | undefined) =>
    t.equal(tokenOf(header), token, String(header))
  const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`
  check(undefined, undefined)
  check('', undefined)
  check('Bearer', undefined)
  check('Bearer abc', 'abc')
  check('bearer   abc', 'abc')
  check('Digest abc', undefined)
  check(basic('user:abc'), 'abc')
  check(basic(':abc'), 'abc')
  check(basic('user:a:b'), 'a:b')
  check(basic('user:'), undefined)
  check(basic('user'), undefined)
  check('Basic %%%', undefined)
})

t.test('which Host headers are answered', async (t) => {
  const names = new Set(['localhost', 'hub.bank.example'])
  const check = (host: string | undefined, allowed: boolean) =>
    t.equal(hostAllowed(host, names), allowed, String(host))
  check('localhost', true)
  check('LOCALHOST:9770', true)
  check('127.0.0.1:9770', true)
  check('[::1]:9770', true)
  check('10.1.2.3', true)
  check('hub.bank.example:443', true)
  check('evil.example', false)
  check('localhost.evil.example', false)
  check('127.0.0.1.evil.example', false)
  check('', false)
  check(undefined, false)
  check('a:b:c', false)
})

t.test('whether an Origin is the page’s own', async (t) => {
  const check = (origin: string | undefined, host: string | undefined, same: boolean) =>
    t.equal(sameOrigin(origin, host), same, `${origin} ${host}`)
  check('http://127.0.0.1:9770', '127.0.0.1:9770', true)
  check('https://hub.example', 'HUB.example', true)
  check('http://127.0.0.1:9771', '127.0.0.1:9770', false)
  check('http://evil.example', '127.0.0.1:9770', false)
  check('null', '127.0.0.1:9770', false)
  check(undefined, '127.0.0.1:9770', false)
  check('http://127.0.0.1:9770', undefined, false)
})

t.test('secrets are random, long, and stored as hashes', async (t) => {
  const a = newSecret('cwt')
  t.match(a, /^cwt_[A-Za-z0-9_-]{43}$/)
  t.not(a, newSecret('cwt'))
  t.match(hashSecret(a), /^[0-9a-f]{64}$/)
  t.notOk(hashSecret(a).includes(a))
})

t.test('ids are UUIDs version 7 that sort by time', async (t) => {
  t.match(
    uuid(Date.UTC(2026, 10, 21)),
    /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  )
  t.ok(uuid(1_000_000) < uuid(1_000_001))
})

t.test('the configuration names every fault at once, with an example', async (t) => {
  const good = readHubConfig({})
  t.match(good, { host: '127.0.0.1', port: 9770, retentionDays: 15, data: './data', demo: false })
  t.equal(readHubConfig({ CALLWARD_RETENTION: '0' }).retentionDays, 0)
  t.equal(publicUrl(readHubConfig({ CALLWARD_LISTEN: '[::1]:9000' })), 'http://[::1]:9000')
  t.equal(publicUrl(readHubConfig({ CALLWARD_LISTEN: '0.0.0.0:9000' })), 'http://localhost:9000')
  const file = join(
    folderOf(t, { 'callward.yaml': 'hub:\n  retentionDays: soon\n  colour: red\nhup: {}\n' }),
    'callward.yaml',
  )
  const faultsOf = (environment: Record<string, string>) => {
    try {
      readHubConfig(environment)
    } catch (error) {
      t.type(error, ConfigError)
      return (error as Error).message
    }
    return 'no fault'
  }
  const text = faultsOf({
    CALLWARD_CONFIG: file,
    CALLWARD_LISTEN: 'nowhere',
    CALLWARD_ADMIN_TOKEN: 'short',
  })
  for (const part of [
    'unknown section "hup"',
    'retentionDays: must be number',
    'colour: unknown key',
    '"nowhere" is not HOST:PORT',
    'shorter than 16',
    'Example: listen: 127.0.0.1:9770',
  ]) {
    t.ok(text.includes(part), part)
  }
  t.match(faultsOf({ CALLWARD_CONFIG: '/no/such/file.yaml' }), /cannot be read \(ENOENT\)/)
  t.match(faultsOf({ CALLWARD_RETENTION: '-1' }), /retentionDays: must be >= 0/)
  t.match(faultsOf({ CALLWARD_RETENTION: 'x' }), /retentionDays/)
})

t.test('listen addresses', async (t) => {
  const check = (text: string, expected: ReturnType<typeof parseListen>) =>
    t.same(parseListen(text), expected, text)
  check('127.0.0.1:9770', { host: '127.0.0.1', port: 9770 })
  check('localhost:0', { host: 'localhost', port: 0 })
  check(':80', { host: '::', port: 80 })
  check('[::1]:80', { host: '::1', port: 80 })
  check('[zz]:80', undefined)
  check('::1:80', undefined)
  check('host:99999', undefined)
  check('host', undefined)
  check('', undefined)
})

t.test('docs/errors.md equals the table', async (t) => {
  const rows = readFileSync(join(packageRoot, 'docs', 'errors.md'), 'utf8').matchAll(
    /^\| `([a-z_]+)` \| (\d{3}) \| (.*) \|$/gm,
  )
  const documented = Object.fromEntries(
    [...rows].map(([, code, status, message]) => [code, [Number(status), message]]),
  )
  t.same(documented, errorTable)
})

t.test('what the caller sees of an error', async (t) => {
  t.equal(shownError(new CallwardError('gone')).code, 'gone')
  t.equal(
    shownError(Object.assign(new Error('body must have x'), { statusCode: 400 })).message,
    'body must have x.',
  )
  const hidden = shownError(new Error('password=hunter2'))
  t.equal(hidden.code, 'internal')
  t.notMatch(hidden.message, /hunter2/)
})
