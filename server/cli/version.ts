import { version } from '../assets.ts'
import type { Command } from './command.ts'

export const versionCommand: Command = {
  name: 'version',
  summary: 'print the version of this program',
  usage: '',
  help: `Prints the version of this program and of Node.

Example:
  callward version`,
  positionals: [0, 0],
  async run(call) {
    call.say(`callward ${version} (Node ${process.versions.node})`)
    return 0
  },
}
