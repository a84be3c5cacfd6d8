import { once } from 'node:events'
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
