import { X509Certificate } from 'node:crypto'
import { type Metric, metric } from '../../source.ts'
import type { Section, SectionState } from '../../wire/frames.ts'
import { troubleOf, unread } from './config-files.ts'
import { expand, type Listed, piecesOf, realPath, sectionFrom, type Trouble } from './paths.ts'
import { instantText, printable } from './text.ts'

/** One certificate of a file or of a port (`tls://address:port`). */
export interface CertificateRow {
  readonly path: string
  readonly state: SectionState
  /** Place in its file or chain, from 0. */
  readonly index?: number
  readonly detail?: string
  readonly subject?: string
  readonly issuer?: string
  readonly serial?: string
  readonly notBefore?: string
  readonly notAfter?: string
  /** Of the DER form, hex. */
  readonly sha256?: string
}

export const certificateFilesLimit = 200
export const certificatesPerFile = 20
const fileBytesLimit = 1024 * 1024

/**
 * The certificates in listed files, PEM or DER. A file that is named (not matched by a wildcard) and is not there, or holds
 * none, is a fault, unless the names are only the usual places.
 */
export function certificateFiles(
  listed: Listed,
  areUsual: boolean,
): { rows: readonly CertificateRow[]; troubles: readonly Trouble[] } {
  const { paths, named, troubles } = expand(listed, certificateFilesLimit)
  const rows = paths.flatMap((path) => fileRows(path, listed, named.has(path)))
  const wanted = rows.filter((row) => row.state !== 'absent' || !areUsual)
  const missing = (trouble: Trouble): Trouble =>
    trouble.state === 'absent' ? { ...trouble, state: 'error' } : trouble
  return { rows: wanted, troubles: [...troubles, ...wanted.flatMap(troubleOf).map(missing)] }
}

function fileRows(path: string, listed: Listed, isNamed: boolean): readonly CertificateRow[] {
  try {
    const found = certificatesIn(realPath(path, listed))
    if (found.length > 0) return found.map((row) => ({ path: printable(path, 512), ...row }))
    if (!isNamed) return []
    return [{ path: printable(path, 512), state: 'error', detail: 'holds no certificate' }]
  } catch (error) {
    return [unread(path, error)]
  }
}

type Found = Omit<CertificateRow, 'path'>

/** Certificates of one file. A key beside them never becomes text, and what was read is wiped. */
function certificatesIn(path: string): Found[] {
  const pieces: Buffer[] = []
  let content = Buffer.alloc(0)
  try {
    for (const piece of piecesOf(path, fileBytesLimit)) pieces.push(Buffer.from(piece))
    content = Buffer.concat(pieces)
    return certificatesOf(content)
  } finally {
    for (const buffer of [...pieces, content]) buffer.fill(0)
  }
}

const begin = '-----BEGIN '
const labels = ['CERTIFICATE', 'TRUSTED CERTIFICATE', 'X509 CERTIFICATE']

/** Certificates of PEM text or DER bytes, at most 20; one row says when there are more, or that what looks like one is damaged. */
export function certificatesOf(content: Buffer): Found[] {
  if (content[0] === 0x30) return [described(0, content)]
  const found: Found[] = []
  let at = content.indexOf(begin)
  if (at < 0) return [damaged(0, 'neither PEM nor DER')]
  for (; at >= 0; at = content.indexOf(begin, at + begin.length)) {
    const label = labels.find((one) => content.indexOf(`${begin}${one}-----`, at) === at)
    if (label === undefined) continue
    if (found.length === certificatesPerFile) {
      const detail = `holds over ${certificatesPerFile} certificates: list those this host uses`
      return [...found, damaged(found.length, detail)]
    }
    const last = `-----END ${label}-----`
    const end = content.indexOf(last, at)
    if (end < 0) return [...found, damaged(found.length, 'a certificate is cut')]
    found.push(described(found.length, content.subarray(at, end + last.length)))
  }
  return found
}

function damaged(index: number, detail: string): Found {
  return { state: 'error', index, detail }
}

function described(index: number, content: Buffer): Found {
  try {
    return describe(index, new X509Certificate(content))
  } catch {
    return damaged(index, 'a certificate is damaged')
  }
}

/** What is told of a certificate. */
export function describe(index: number, certificate: X509Certificate): Found {
  const notBefore = instantText(Date.parse(certificate.validFrom))
  const notAfter = instantText(Date.parse(certificate.validTo))
  if (notBefore === undefined || notAfter === undefined)
    return damaged(index, 'its times are not understood')
  return {
    state: 'ok',
    index,
    subject: name(certificate.subject),
    issuer: name(certificate.issuer),
    serial: printable(certificate.serialNumber, 128).toLowerCase(),
    notBefore,
    notAfter,
    sha256: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
  }
}

/** Addresses of people stay on the host. */
function name(distinguished: string | undefined): string {
  const parts = (distinguished ?? '').split('\n').filter((part) => !/^emailAddress=/i.test(part))
  return printable(parts.join(', '), 256)
}

/** When each certificate ends, at most one series a certificate that is told. */
export function certificateMetrics(rows: readonly CertificateRow[]): Metric[] {
  return rows.flatMap(({ path, index, notAfter }) =>
    notAfter === undefined
      ? []
      : [
          metric('callward_certificate_not_after_timestamp_seconds', Date.parse(notAfter) / 1000, {
            path,
            index: String(index ?? 0),
          }),
        ],
  )
}

/** The section of files and ports together. */
export function certificateSection(
  rows: readonly CertificateRow[],
  troubles: readonly Trouble[],
): Section {
  const seen = rows.filter(({ state }) => state === 'ok').length
  const whenNone = 'none at the usual places: software.certificates says where they are'
  return sectionFrom('certificates', troubles, seen, whenNone)
}
