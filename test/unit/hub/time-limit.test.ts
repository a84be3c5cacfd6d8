import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t, { type Test } from 'tap'
import { packageRoot } from '../../../server/assets.ts'
import { endsWithin } from '../../../server/time-limit.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** A server that answers `/begun` in part and everything else never. */
async function silentServer(t: Test): Promise<string> {
  const server = createServer((request, response) => {
    if (request.url === '/begun') response.writeHead(200).write('{')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Asks as the hub does: nobody holds the signal but the request. */
async function ask(url: string, signal: () => AbortSignal): Promise<string> {
  try {
    return await (await fetch(url, { signal: signal() })).text()
  } catch (error) {
    return (error as Error).name
  }
}

t.test('a limit ends what waits although memory is cleaned up meanwhile', async (t) => {
  const url = await silentServer(t)
  const stop = new AbortController()
  for (const path of ['/never', '/begun']) {
    const answer = ask(`${url}${path}`, () => endsWithin(1000, stop.signal))
    for (let round = 0; round < 5; round++) {
      await turn()
      collectGarbage()
    }
    t.equal(await answer, 'TimeoutError', path)
  }
})

t.test('the first of the signals ends it', async (t) => {
  const url = await silentServer(t)
  const stop = new AbortController()
  const answer = ask(`${url}/begun`, () =>
    endsWithin(60_000, new AbortController().signal, stop.signal),
  )
  collectGarbage()
  stop.abort(new DOMException('stopping', 'AbortError'))
  t.equal(await answer, 'AbortError')
})

t.test('no limit of the hub is made in the way that loses it', async (t) => {
  const files = readdirSync(join(packageRoot, 'server'), { recursive: true, encoding: 'utf8' })
  const losing = files
    .filter((file) => file.endsWith('.ts') && !file.startsWith(join('console', 'web')))
    .filter((file) => {
      const text = readFileSync(join(packageRoot, 'server', file), 'utf8')
      return /AbortSignal\.any\(\[[^\]]*AbortSignal\.timeout/.test(text)
    })
  t.same(losing, [])
})
