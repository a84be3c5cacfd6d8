// Bundles the witness into one file that needs nothing but Node: dist/bundle/callward-witness.mjs, or the path given.
// Run after the build: it bundles what was compiled and tested.
import { chmod, mkdir } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const compiled = process.argv[3] ?? join(root, 'dist')
const outfile = resolve(process.argv[2] ?? join(root, 'dist/bundle/callward-witness.mjs'))

// An auditor reads all of it in an hour: nothing else may come along.
const allowed = /^(witness\/[\w-]+|server\/ledger\/(merkle|checkpoint|cosignature))\.js$/

await mkdir(dirname(outfile), { recursive: true })
const result = await build({
  entryPoints: [join(compiled, 'witness/main.js')],
  outfile,
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  metafile: true,
  banner: { js: '#!/usr/bin/env node' },
  logLevel: 'warning',
})
const unwanted = Object.keys(result.metafile.inputs)
  .map((path) => relative(compiled, resolve(path)))
  .filter((path) => !allowed.test(path))
if (unwanted.length > 0) {
  process.stderr.write(
    `The bundle contains more than the witness: ${unwanted.slice(0, 5).join(', ')}\n`,
  )
  process.exit(1)
}
await chmod(outfile, 0o755)
process.stdout.write(`${outfile}: runs with Node 20.19 or newer\n`)
