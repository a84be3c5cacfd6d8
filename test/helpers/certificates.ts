import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A certificate and its key, PEM. */
export interface Made {
  readonly key: string
  readonly certificate: string
}

/** Why the real openssl cannot be asked, or false. With CALLWARD_REQUIRE_PEERS=1 its absence is an error. */
export const opensslMissing: string | false =
  spawnSync('openssl', ['version']).status === 0 || process.env['CALLWARD_REQUIRE_PEERS'] === '1'
    ? false
    : 'openssl is not installed'

const configuration = `[ca]
default_ca = own
[own]
database = index.txt
serial = serial
default_md = sha256
policy = any
email_in_dn = yes
[any]
organizationName = optional
commonName = supplied
emailAddress = optional
`

/** A self-signed certificate of the real openssl that began long ago and ends `days` from now; a minus: it has ended. */
export function makeCertificate(days: number, subject = '/O=Bank/CN=pbx.bank.example'): Made {
  const folder = mkdtempSync(join(tmpdir(), 'callward-certificate-'))
  const run = (...argv: string[]) => {
    const { status, stderr } = spawnSync('openssl', argv, { cwd: folder, encoding: 'utf8' })
    if (status !== 0) throw new Error(`openssl ${argv[0]}: ${stderr}`)
  }
  try {
    writeFileSync(join(folder, 'ca.conf'), configuration)
    writeFileSync(join(folder, 'index.txt'), '')
    writeFileSync(join(folder, 'serial'), '0A1B2C\n')
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-utf8']
    run('req', '-new', ...curve, '-keyout', 'key', '-out', 'request', '-subj', subject)
    const end = new Date(Date.now() + days * 86_400_000).toISOString().replace(/[-:T]|\.\d+/g, '')
    const times = ['-startdate', '20200101000000Z', '-enddate', end]
    const files = ['-keyfile', 'key', '-in', 'request', '-out', 'certificate', '-outdir', folder]
    run('ca', '-batch', '-selfsign', '-notext', '-config', 'ca.conf', '-utf8', ...files, ...times)
    const read = (name: string) => readFileSync(join(folder, name), 'utf8')
    return { key: read('key'), certificate: read('certificate') }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** A self-signed certificate and its key, made by openssl in `folder`. */
export function selfSigned(
  folder: string,
  name = 'hub',
): { readonly certificate: string; readonly key: string } {
  const certificate = join(folder, `${name}.crt`)
  const key = join(folder, `${name}.key`)
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
      ...['-days', '90', '-subj', `/CN=${name}.bank.example`, '-keyout', key, '-out', certificate],
    ],
    { stdio: 'pipe' },
  )
  return { certificate, key }
}
