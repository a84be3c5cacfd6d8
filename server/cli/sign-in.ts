import { type Command, sayJson } from './command.ts'
import { localTime } from './render.ts'

export const signInCommand: Command = {
  name: 'sign-in',
  summary: 'print a link that signs a browser in once',
  usage: '[--json]',
  help: `Prints a link for the console. It works once and for a short time; whoever opens it is signed in as the
owner of the token used here, so hand it over with care.

Examples:
  callward sign-in
  xdg-open "$(callward sign-in)"`,
  options: { json: { type: 'boolean' } },
  positionals: [0, 0],
  async run(call) {
    const link = await call
      .hub()
      .call<{ url: string; expiresAt: string }>('POST', '/api/v1/sign-in-links', {})
    if (call.values.json === true) sayJson(call, link)
    else {
      call.say(link.url)
      call.terminal.stderr.write(
        `Open it in a browser. It works once, until ${localTime(link.expiresAt)}.\n`,
      )
    }
    return 0
  },
}
