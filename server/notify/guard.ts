import { Resolver as Dns } from 'node:dns/promises'
import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'

/** Gives every address of a name, or throws as node:dns does. */
export type Resolver = (name: string) => Promise<readonly string[]>

const dns = new Dns({ timeout: 2000, tries: 2 })

/**
 * The hosts file, then DNS. Not getaddrinfo: that takes a thread of the few that the store writes with, for as long as a name
 * server is silent. Names are full names; no search domain is tried.
 */
export const systemResolver: Resolver = async (name) => {
  const listed = hostsNamed(await readFile('/etc/hosts', 'utf8').catch(() => ''), name)
  if (listed.length > 0) return listed
  const answers = await Promise.allSettled([dns.resolve4(name), dns.resolve6(name)])
  const found = answers.flatMap((one) => (one.status === 'fulfilled' ? one.value : []))
  const [first] = answers
  if (found.length === 0 && first?.status === 'rejected') throw first.reason
  return found
}

/** Addresses that a hosts file gives to a name, case ignored. */
export function hostsNamed(text: string, name: string): string[] {
  return text.split('\n').flatMap((line) => {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/)
    const isNamed = names.some((one) => one.toLowerCase() === name.toLowerCase())
    return isNamed && isIP(plainAddress(address)) !== 0 ? [address] : []
  })
}

/** The hub may not connect there; the message names the address, its class and what an administrator can do. */
export class ForbiddenAddress extends Error {}

/** One entry of `notifyAllow`: a network, and the only port when one is named. */
export interface Allowed {
  readonly bits: bigint
  readonly prefix: number
  readonly family: 4 | 6
  readonly port: number | undefined
}

type Range = readonly [network: string, prefix: number, what: string]

/** IANA's special-purpose registry of IPv4 (RFC 6890 and later), and addresses of clouds that hand out secrets. */
const forbidden4: readonly Range[] = [
  ['169.254.169.254', 32, 'a cloud’s metadata service'],
  ['100.100.100.200', 32, 'a cloud’s metadata service'],
  ['168.63.129.16', 32, 'a cloud’s metadata service'],
  ['0.0.0.0', 8, 'this machine (0.0.0.0/8)'],
  ['10.0.0.0', 8, 'private'],
  ['100.64.0.0', 10, 'shared by a carrier (CGNAT)'],
  ['127.0.0.0', 8, 'loopback'],
  ['169.254.0.0', 16, 'link-local'],
  ['172.16.0.0', 12, 'private'],
  ['192.0.0.0', 24, 'reserved'],
  ['192.0.2.0', 24, 'for documentation'],
  ['192.88.99.0', 24, 'a 6to4 relay'],
  ['192.168.0.0', 16, 'private'],
  ['198.18.0.0', 15, 'for benchmarks'],
  ['198.51.100.0', 24, 'for documentation'],
  ['203.0.113.0', 24, 'for documentation'],
  ['224.0.0.0', 4, 'multicast'],
  ['255.255.255.255', 32, 'broadcast'],
  ['240.0.0.0', 4, 'reserved'],
]

/** What of 2000::/3 is not the public internet; everything outside 2000::/3 is refused anyway. */
const forbidden6: readonly Range[] = [
  ['::', 128, 'unspecified'],
  ['::1', 128, 'loopback'],
  ['fd00:ec2::254', 128, 'a cloud’s metadata service'],
  ['fd20:ce::254', 128, 'a cloud’s metadata service'],
  ['fc00::', 7, 'private (unique local)'],
  ['fe80::', 10, 'link-local'],
  ['fec0::', 10, 'private (site-local)'],
  ['ff00::', 8, 'multicast'],
  ['2001::', 23, 'reserved (tunnels and protocols)'],
  ['2001:db8::', 32, 'for documentation'],
  ['2002::', 16, 'a 6to4 tunnel'],
  ['3fff::', 20, 'for documentation'],
]

/** IPv6 prefixes that carry an IPv4 address in their last 32 bits: mapped, compatible, translated (RFC 4291, 2765, 6052). */
const carriers = [parse6('::ffff:0:0'), parse6('::'), parse6('::ffff:0:0:0'), parse6('64:ff9b::')]

function parse4(text: string): bigint {
  return text.split('.').reduce((sum, part) => (sum << 8n) | BigInt(part), 0n)
}

function parse6(text: string): bigint {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text)
  const low = dotted === null ? undefined : parse4(dotted[2] ?? '0.0.0.0')
  const hex =
    dotted === null || low === undefined
      ? text
      : `${dotted[1]}${(low >> 16n).toString(16)}:${(low & 0xffffn).toString(16)}`
  const [head = '', tail] = hex.split('::')
  const words = (part: string) => (part === '' ? [] : part.split(':'))
  const before = words(head)
  const after = words(tail ?? '')
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length
  const all = [...before, ...Array<string>(Math.max(0, zeros)).fill('0'), ...after]
  return all.reduce((sum, word) => (sum << 16n) | BigInt(`0x${word}`), 0n)
}

const isIn = (bits: bigint, width: number, network: bigint, prefix: number) =>
  bits >> BigInt(width - prefix) === network >> BigInt(width - prefix)

function plainAddress(text: string): string {
  return text.replace(/^\[|\]$/g, '').replace(/%.*$/, '')
}

/** What speaks against an address (IPv4 or IPv6 text, brackets and zone allowed); undefined: it is on the public internet. */
export function classOf(address: string): string | undefined {
  const text = plainAddress(address)
  const family = isIP(text)
  if (family === 0) return 'not an address'
  if (family === 4) {
    const bits = parse4(text)
    return forbidden4.find(([net, prefix]) => isIn(bits, 32, parse4(net), prefix))?.[2]
  }
  const bits = parse6(text)
  const named = forbidden6.find(([net, prefix]) => isIn(bits, 128, parse6(net), prefix))
  if (named !== undefined) return named[2]
  if (carriers.some((network) => isIn(bits, 128, network, 96))) {
    const inner = inner4(bits)
    return `an IPv4 address inside IPv6 (${inner}${classOf(inner) === undefined ? '' : `, ${classOf(inner)}`})`
  }
  return isIn(bits, 128, parse6('2000::'), 3) ? undefined : 'reserved'
}

function inner4(bits: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => String((bits >> shift) & 255n)).join('.')
}

/** `10.1.0.0/16`, `127.0.0.1:8025`, `[fd00::5]:25`, `fd00::/8`; undefined when it is none of these. Names are not taken: what a name means can change. */
export function parseAllowed(text: string): Allowed | undefined {
  const match = /^(?:\[([^\]]+)\]|([^[\]/]+?))(?:\/(\d{1,3}))?(?::(\d{1,5}))?$/.exec(text.trim())
  if (match === null) return undefined
  const bracketed = match[1] !== undefined
  let address = match[1] ?? match[2] ?? ''
  let port = match[4]
  if (!bracketed && isIP(address) === 0 && port === undefined && match[3] === undefined)
    return undefined
  // Without brackets the last group of an IPv6 address looks like a port.
  if (
    !bracketed &&
    port !== undefined &&
    isIP(`${address}:${port}`) === 6 &&
    match[3] === undefined
  ) {
    address = `${address}:${port}`
    port = undefined
  }
  const family = isIP(address)
  if (family !== 4 && family !== 6) return undefined
  const width = family === 4 ? 32 : 128
  const prefix = match[3] === undefined ? width : Number(match[3])
  if (prefix > width || (port !== undefined && (Number(port) > 65_535 || Number(port) === 0)))
    return undefined
  const bits = family === 4 ? parse4(address) : parse6(address)
  return { bits, prefix, family, port: port === undefined ? undefined : Number(port) }
}

function isAllowed(address: string, port: number, allowed: readonly Allowed[]): boolean {
  const text = plainAddress(address)
  const family = isIP(text)
  const bits = family === 4 ? parse4(text) : parse6(text)
  return allowed.some(
    (one) =>
      one.family === family &&
      (one.port === undefined || one.port === port) &&
      isIn(bits, family === 4 ? 32 : 128, one.bits, one.prefix),
  )
}

/** Decides where the hub may connect to on a person's word. */
export class Guard {
  readonly #allowed: readonly Allowed[]
  readonly #resolve: Resolver

  constructor(allowed: readonly Allowed[], resolve: Resolver = systemResolver) {
    this.#allowed = allowed
    this.#resolve = resolve
  }

  /**
   * Resolves a host once and gives the addresses to connect to. Every one of them must be allowed, so that a name cannot
   * mix a good one with a bad one; whoever connects must use these and not resolve again. Throws ForbiddenAddress, or the
   * resolver's error.
   */
  async addressesOf(host: string, port: number): Promise<readonly string[]> {
    const name = plainAddress(host)
    const addresses = isIP(name) === 0 ? await this.#resolve(name) : [name]
    if (addresses.length === 0)
      throw Object.assign(new Error(`the name ${name} has no address`), { code: 'ENOTFOUND' })
    for (const address of addresses) {
      const what = classOf(address)
      if (
        what === undefined ||
        (isIP(plainAddress(address)) !== 0 && isAllowed(address, port, this.#allowed))
      )
        continue
      const shown = address === name ? address : `${name} has the address ${address}, which`
      throw new ForbiddenAddress(
        `${shown} is ${what}: the hub does not connect there. If that is meant, an administrator adds ${isIP(address) === 6 ? `[${address}]` : address}:${port} to notifyAllow in the configuration.`,
      )
    }
    return addresses
  }
}
