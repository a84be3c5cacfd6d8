import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import type { Terminal } from '../../server/cli/command.ts'
import { run } from '../../server/cli/main.ts'
import { Program } from './hub.ts'

/** How a command ended, and what it printed on both its outputs. */
export interface Said {
  readonly code: number | null
  readonly out: string
}

/** `callward` as people run it, against a hub, with a token; times are those of UTC. */
export function terminalOf(url: string, token: string): (...args: string[]) => Promise<Said> {
  return async (...args) => {
    const environment = { CALLWARD_HUB: url, CALLWARD_TOKEN: token, TZ: 'UTC' }
    const program = new Program('server/cli/main.js', environment, args)
    // Not at its exit: what it printed may come after that.
    const [code] = (await once(program.child, 'close')) as [number | null]
    return { code, out: program.output }
  }
}

/** The same commands inside the test's own process: a tenth of the work where there are many. Times are those of the test. */
export function terminalHere(url: string, token: string): (...args: string[]) => Promise<Said> {
  return async (...args) => {
    let out = ''
    const stream = {
      on() {},
      write(text: string) {
        out += text
        return true
      },
    }
    // The commands use no more of a terminal than this.
    const terminal = {
      environment: { CALLWARD_HUB: url, CALLWARD_TOKEN: token },
      stdin: new PassThrough(),
      stdout: stream,
      stderr: stream,
    } as unknown as Terminal
    return { code: await run(args, terminal), out }
  }
}
