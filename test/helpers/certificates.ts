import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

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
      ...['-days', '2', '-subj', `/CN=${name}.bank.example`, '-keyout', key, '-out', certificate],
    ],
    { stdio: 'pipe' },
  )
  return { certificate, key }
}
