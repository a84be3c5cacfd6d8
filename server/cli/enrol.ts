import { type Call, type Command, sayJson, textOption, UsageError } from './command.ts'
import { isOwnMachine } from './loopback-fetch.ts'
import { localTime } from './render.ts'

interface NewToken {
  readonly token: string
  readonly expiresAt: string
  readonly instance: string | null
  readonly hubKey: string
  readonly url: string
  readonly tlsPin: string | null
  readonly bundle: string
}

const labelNames = ['customer', 'site', 'role', 'env'] as const

export const enrolCommand: Command = {
  name: 'enrol',
  summary: 'print a line that enrols a host',
  usage:
    '[--host NAME [--replace]] [--role R] [--customer C] [--site S] [--env E] [--with curl|node|deb]',
  help: `Prints one line to paste on the host that is to report. It fetches the collector from this hub, gives the host a key of its own,
registers it, and starts reporting. The line holds a token that works once, within 15 minutes, and the fingerprint of this hub's
key: the host sends nothing to a hub that cannot prove that key. Takes an administrator's token.

  --host     the name the host will have; without it the host says its own
  --replace  the host is enrolled already: its old key ends when the line is used
  --role, --customer, --site, --env   labels of the host, where its own configuration says nothing else
  --with     what the host has: curl (default; and node), node alone, or deb (the package callward-collector)
  --address  how the host reaches this hub (default: publicUrl)
  --json     token, address and fingerprints for programs

Examples:
  callward enrol --host pbx-2 --role pbx --site hanoi
  callward enrol --with deb --address https://10.1.2.3:9770
  callward enrol --host pbx-2 --replace`,
  options: {
    host: { type: 'string' },
    replace: { type: 'boolean' },
    customer: { type: 'string' },
    site: { type: 'string' },
    role: { type: 'string' },
    env: { type: 'string' },
    with: { type: 'string' },
    address: { type: 'string' },
    json: { type: 'boolean' },
  },
  positionals: [0, 0],
  async run(call) {
    const means = textOption(call, 'with') ?? 'curl'
    const form = forms[means]
    if (form === undefined)
      throw new UsageError(`--with is one of ${Object.keys(forms).join(', ')}, not "${means}".`)
    const instance = textOption(call, 'host')
    const replace = call.values['replace'] === true
    if (replace && instance === undefined)
      throw new UsageError('Say which host is to be enrolled anew: --host NAME --replace')
    const labels = Object.fromEntries(
      labelNames.flatMap((name) => {
        const value = textOption(call, name)
        return value === undefined ? [] : [[name, value]]
      }),
    )
    const made = await call.hub().call<NewToken>('POST', '/api/v1/enrolment-tokens', {
      labels,
      replace,
      ...(instance === undefined ? {} : { instance }),
    })
    const address = addressOf(call, made.url)
    if (call.values['json'] === true) sayJson(call, { ...made, url: address })
    else {
      // The line stands alone on standard output.
      call.say(form({ ...made, url: address }))
      explain(call, made, address)
    }
    return 0
  },
}

function addressOf(call: Call, told: string): string {
  const address = (textOption(call, 'address') ?? told).replace(/\/+$/, '')
  try {
    const { protocol } = new URL(address)
    if (protocol === 'https:' || protocol === 'http:') return address
  } catch {
    // Said below.
  }
  throw new UsageError(`"${address}" is no address. Example: --address https://10.1.2.3:9770`)
}

function explain(call: Call, made: NewToken, address: string): void {
  const { stderr } = call.terminal
  const whose = made.instance === null ? 'a host without an enrolment' : `"${made.instance}"`
  stderr.write(
    `For ${whose}; works once, until ${localTime(made.expiresAt)}. Then: callward collectors list\n`,
  )
  if (address.startsWith('https:') && made.tlsPin !== null)
    stderr.write(
      'The certificate is pinned in the line (-k with --pinnedpubkey): a self-signed one is as safe as any, nothing is sent to another.\n',
    )
  if (isOwnMachine(address))
    stderr.write(
      'This address works on this machine only. For another host set CALLWARD_PUBLIC_URL (and TLS: docs/collector.md), or give --address.\n',
    )
  else if (address.startsWith('http:'))
    stderr.write(
      'Without TLS the host will refuse this address. Set CALLWARD_TLS_CERTIFICATE and CALLWARD_TLS_KEY on the hub: docs/collector.md.\n',
    )
}

const file = 'callward-collector.mjs'

function enrolArguments({ url, token, hubKey }: NewToken): string {
  return `enrol --hub ${quoted(url)} --token ${token} --hub-key ${hubKey}`
}

const forms: Readonly<Record<string, (made: NewToken) => string>> = {
  curl(made) {
    const pin =
      made.url.startsWith('https:') && made.tlsPin !== null
        ? `-k --pinnedpubkey sha256//${made.tlsPin} `
        : ''
    const fetched = `curl -fsS ${pin}-H 'Authorization: Bearer ${made.token}' -o ${file} ${quoted(made.url + made.bundle)}`
    return `${fetched} && node ${file} ${enrolArguments(made)} --start`
  },
  node(made) {
    return `node -e ${quoted(nodeFetch(made))} && node ${file} ${enrolArguments(made)} --start`
  },
  // The package's command runs as the collector's user and starts its service.
  deb: (made) => `sudo callward-collector ${enrolArguments(made)} --start`,
}

/** A program of one line that fetches the file; by TLS it looks at the certificate's key before it sends anything. */
function nodeFetch({ url, token, tlsPin, bundle }: NewToken): string {
  const { protocol, hostname, port, pathname, host } = new URL(url + bundle)
  const name = hostname.replace(/^\[|\]$/g, '')
  const isTls = protocol === 'https:'
  const at = `{host:"${name}",port:${port || (isTls ? 443 : 80)}${isTls ? `,servername:"${/^[\d.]+$|:/.test(name) ? '' : name}"` : ''}${isTls && tlsPin !== null ? ',rejectUnauthorized:false' : ''}}`
  const check =
    isTls && tlsPin !== null
      ? `if(require("crypto").createHash("sha256").update(s.getPeerX509Certificate().publicKey.export({type:"spki",format:"der"})).digest("base64")!=="${tlsPin}")throw Error("another hub answers");`
      : ''
  const get = `require("http").get({createConnection:()=>s,path:"${pathname}",headers:{host:"${host}",authorization:"Bearer ${token}"}},r=>{if(r.statusCode!==200)throw Error("status "+r.statusCode);r.pipe(require("fs").createWriteStream("${file}"))})`
  return `const s=require("${isTls ? 'tls' : 'net'}").connect(${at},()=>{${check}${get}})`
}

/** For a POSIX shell; most of what goes in needs no quotes. */
function quoted(text: string): string {
  return /^[A-Za-z0-9_.:/@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
