// Bundles the collector into one file that needs nothing but Node: dist/bundle/callward-collector.mjs,
// or the path given. Run after the build: it bundles what was compiled and tested.
import { chmod, mkdir } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { requireBanner } from './require-banner.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const compiled = process.argv[3] ?? join(root, 'dist')
const outfile = resolve(process.argv[2] ?? join(root, 'dist/bundle/callward-collector.mjs'))

// The collector sends data away from a bank's servers: nothing of the hub may come along with it.
const forbidden = /node_modules\/(fastify|kysely|pg|libsql|@fastify)\//

await mkdir(dirname(outfile), { recursive: true })
const result = await build({
  entryPoints: [join(compiled, 'collector/main.js')],
  outfile,
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  metafile: true,
  legalComments: 'eof',
  // Optional native speed-ups of ws, which does without.
  external: ['bufferutil', 'utf-8-validate'],
  banner: { js: `#!/usr/bin/env node\n${requireBanner}` },
  logLevel: 'warning',
})
const unwanted = Object.keys(result.metafile.inputs).filter((path) => forbidden.test(path))
if (unwanted.length > 0) {
  process.stderr.write(`The bundle contains parts of the hub: ${unwanted.slice(0, 5).join(', ')}\n`)
  process.exit(1)
}
await chmod(outfile, 0o755)
const bytes = Object.values(result.metafile.outputs)[0]?.bytes ?? 0
process.stdout.write(
  `${outfile}: ${(bytes / 1024 / 1024).toFixed(1)} MiB, runs with Node 20.19 or newer\n`,
)
