import fp from 'fastify-plugin'
import type { Clock } from '../clock.ts'
import { type RegimeFiles, readRegimeFiles, signatureOf } from './regime-files.ts'
import { clockRoutes } from './routes.ts'

/** Regimes of time limits. */
export interface Clocks {
  /** The regimes in force; reads the own folder again when it has changed. */
  regimes(): Promise<RegimeFiles>
}

declare module 'fastify' {
  interface FastifyInstance {
    clocks: Clocks
  }
}

export interface ClocksOptions {
  readonly clock: Clock
  /** Own regimes, one YAML file each. */
  readonly folder?: string | undefined
}

export const clocksPlugin = fp(
  async (app, { clock, folder }: ClocksOptions) => {
    let signature: string | undefined
    let files: Promise<RegimeFiles> | undefined

    async function regimes(): Promise<RegimeFiles> {
      const now = folder === undefined ? '' : await signatureOf(folder)
      if (files === undefined || now !== signature) {
        signature = now
        files = readRegimeFiles(folder)
        for (const { file, line, message } of (await files).faults)
          app.log.error({ file, line }, `${file}:${line}: ${message}`)
      }
      return files
    }

    app.decorate('clocks', { regimes })
    await app.register(clockRoutes, { clock })
    // Faults of own files are in the log before somebody needs a deadline.
    if (folder !== undefined) app.addHook('onReady', async () => void (await regimes()))
  },
  { name: 'callward-clocks' },
)
