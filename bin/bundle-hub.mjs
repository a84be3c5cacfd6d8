// Bundles the hub's programs (its main and its worker threads) into dist/hub/: reading 1,200 files at the start
// takes more time and memory than all the rest of it. What was compiled and tested is bundled as it is.
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { requireBanner } from './require-banner.mjs'

/** Top-level programs that act when imported as the main module: never part of the hub. */
const forbidden = /dist\/(server\/cli\/main|dashboards\/generate)\.js$/

/** Workers are started as `new URL('./NAME-worker.js', import.meta.url)`: all lie flat in one folder. */
function entries(compiled) {
  const workers = readdirSync(join(compiled, 'server'), { recursive: true })
    .filter((name) => name.endsWith('-worker.js'))
    .map((name) => join(compiled, 'server', name))
  const names = new Set(workers.map((path) => basename(path)))
  if (names.size < workers.length)
    throw new Error(`Workers of the same name: ${workers.join(', ')}`)
  return [join(compiled, 'server', 'main.js'), ...workers]
}

/** Bundles what is compiled in `compiled`; throws when that is not possible. */
export async function bundleHub(compiled) {
  const { build } = await import('esbuild')
  const outdir = join(compiled, 'hub')
  rmSync(outdir, { recursive: true, force: true })
  const { metafile } = await build({
    entryPoints: entries(compiled),
    outdir,
    entryNames: '[name]',
    chunkNames: 'chunk-[hash]',
    bundle: true,
    splitting: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    metafile: true,
    legalComments: 'linked',
    // Native or optional: looked up in node_modules when needed.
    external: ['@resvg/resvg-js', 'libsql', 'pg-native', 'bufferutil', 'utf-8-validate'],
    banner: { js: requireBanner },
    logLevel: 'warning',
  })
  const unwanted = Object.keys(metafile.inputs).filter((path) => forbidden.test(path))
  if (unwanted.length > 0) throw new Error(`The hub's bundle contains ${unwanted.join(', ')}`)
}

export const isBundled = (compiled) => existsSync(join(compiled, 'hub', 'main.js'))
