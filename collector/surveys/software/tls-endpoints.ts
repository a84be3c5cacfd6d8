import { X509Certificate } from 'node:crypto'
import { isIPv4 } from 'node:net'
import { networkInterfaces } from 'node:os'
import { connect, type DetailedPeerCertificate } from 'node:tls'
import { type CertificateRow, certificatesPerFile, describe } from './certificates.ts'
import { printable } from './text.ts'

const handshakeMilliseconds = 5_000

/** Certificates that ports of this host present, in the order of the list. Other hosts are not asked: this is no scanner. */
export async function presentedCertificates(
  endpoints: readonly string[],
  milliseconds = handshakeMilliseconds,
): Promise<CertificateRow[]> {
  const rows = await Promise.all(
    [...new Set(endpoints)].map((endpoint) => presented(endpoint, milliseconds)),
  )
  return rows.flat()
}

async function presented(endpoint: string, milliseconds: number): Promise<CertificateRow[]> {
  const path = `tls://${endpoint}`
  try {
    const colon = endpoint.lastIndexOf(':')
    const host = endpoint.slice(0, colon).replace(/^\[|\]$/g, '')
    if (!isOwn(host)) throw new Error('not an address of this host')
    const chain = await handshake(host, Number(endpoint.slice(colon + 1)), milliseconds)
    return chain.map((certificate, index) => ({ path, ...describe(index, certificate) }))
  } catch (error) {
    const detail = printable(error instanceof Error ? error.message : String(error), 200)
    return [{ path, state: 'error', detail }]
  }
}

function isOwn(host: string): boolean {
  if (host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.')))
    return true
  const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  return own.some(({ address }) => address === host.toLowerCase())
}

/** The chain a server shows, itself first. Nothing is verified and nothing is sent after the handshake. */
function handshake(host: string, port: number, milliseconds: number): Promise<X509Certificate[]> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port,
      rejectUnauthorized: false,
      // Old phones keep old servers: what we want is the certificate, not the secrecy.
      minVersion: 'TLSv1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    })
    const fail = (message: string) => {
      socket.destroy()
      reject(new Error(message))
    }
    const timer = setTimeout(
      () => fail(`no TLS handshake within ${milliseconds / 1000} s`),
      milliseconds,
    )
    socket.once('secureConnect', () => {
      const chain = chainOf(socket.getPeerCertificate(true))
      socket.destroy()
      if (chain.length === 0) reject(new Error('it showed no certificate'))
      else resolve(chain)
    })
    socket.once('error', (error) => fail(error.message))
    socket.once('close', () => {
      clearTimeout(timer)
      fail('it closed the connection before a certificate was shown')
    })
  })
}

/** Node gives the last of a chain itself as its issuer. */
function chainOf(first: DetailedPeerCertificate): X509Certificate[] {
  const chain: X509Certificate[] = []
  const seen = new Set<string>()
  for (
    let one: DetailedPeerCertificate | undefined = first;
    one?.raw !== undefined && !seen.has(one.fingerprint256) && chain.length < certificatesPerFile;
    one = one.issuerCertificate
  ) {
    seen.add(one.fingerprint256)
    chain.push(new X509Certificate(one.raw))
  }
  return chain
}
