import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync, type StatsListener, unwatchFile, watchFile } from 'node:fs'
import type { Server } from 'node:https'
import type { FastifyInstance } from 'fastify'
import { Gauge } from 'prom-client'
import type { HubConfig } from './config.ts'
import { StartError } from './errors.ts'
import type {} from './rules/plugin.ts'
import type {} from './telemetry/plugin.ts'

/** How often the files are looked at; a signal (SIGHUP) has them read at once. */
const lookEveryMillis = 10_000
/** What browsers, Grafana and old curls still speak; a collector's session takes 1.3. */
const minVersion = 'TLSv1.2'

const endFigure = 'callward_hub_tls_not_after_timestamp_seconds'

/** Certificate and key of a TLS server, as read. */
export interface TlsFiles {
  readonly cert: Buffer
  readonly key: Buffer
  readonly minVersion: typeof minVersion
  /** End of the certificate's validity, milliseconds since the epoch. */
  readonly validTo: number
}

/** Reads certificate and key, and sees that they belong together. Throws StartError. */
export function readTlsFiles({ certificate, key }: NonNullable<HubConfig['tls']>): TlsFiles {
  const cert = contentOf(certificate, 'certificate', 'CALLWARD_TLS_CERTIFICATE')
  const keyText = contentOf(key, 'key', 'CALLWARD_TLS_KEY')
  let parsed: X509Certificate
  try {
    parsed = new X509Certificate(cert)
  } catch {
    throw new StartError(`${certificate} holds no certificate in PEM form (hub.tls.certificate).`)
  }
  try {
    if (!parsed.checkPrivateKey(createPrivateKey(keyText))) throw new Error('no match')
  } catch {
    throw new StartError(
      `${key} is not the private key of ${certificate}, or needs a passphrase (hub.tls.key). Give both of one certificate, PEM, without a passphrase.`,
    )
  }
  return { cert, key: keyText, minVersion, validTo: Date.parse(parsed.validTo) }
}

function contentOf(path: string, key: string, variable: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    throw new StartError(
      `${path} cannot be read (${(error as NodeJS.ErrnoException).code}). Set hub.tls.${key} (${variable}) to a file that the hub's user may read.`,
    )
  }
}

/** Takes renewed certificate files without a restart: when they change, and at SIGHUP. Sessions that are open go on. */
export function keepTlsFresh(app: FastifyInstance, config: HubConfig): void {
  const { tls } = config
  if (tls === undefined) return
  let validTo = readTlsFiles(tls).validTo
  // The rules come later in the order of the parts.
  app.addHook('onReady', async () => app.rules.watchFigure(endFigure, () => validTo / 1000))
  new Gauge({
    name: endFigure,
    help: 'End of the validity of the hub’s certificate in use.',
    registers: [app.telemetry.registry],
    collect() {
      this.set(validTo / 1000)
    },
  })
  const reload = () => {
    try {
      const files = readTlsFiles(tls)
      // With `https` in its options Fastify listens by this kind of server.
      const server = app.server as unknown as Server
      server.setSecureContext({ cert: files.cert, key: files.key, minVersion })
      validTo = files.validTo
      app.log.info({ validTo: new Date(validTo).toISOString() }, 'certificate taken')
    } catch (error) {
      const { message } = error as Error
      app.log.error(
        { reason: message },
        'the renewed certificate cannot be used: the former goes on',
      )
    }
  }
  const changed: StatsListener = (now, before) => {
    // While a file is being replaced it may not be there.
    if (now.mtimeMs !== 0 && now.mtimeMs !== before.mtimeMs) reload()
  }
  const files = [tls.certificate, tls.key]
  for (const file of files)
    watchFile(file, { interval: lookEveryMillis, persistent: false }, changed)
  process.on('SIGHUP', reload)
  app.addHook('onClose', async () => {
    for (const file of files) unwatchFile(file, changed)
    process.off('SIGHUP', reload)
  })
}
