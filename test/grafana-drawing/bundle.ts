import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'

/** Bundles the page with Grafana's packages into `main.js` and `main.css` of a folder; throws when they are not installed. */
export async function bundlePage(source: string, outdir: string): Promise<void> {
  if (!existsSync(join(source, 'node_modules', '@grafana', 'scenes')))
    throw new Error(`Grafana's packages are missing. Run: npm ci --prefix ${source}`)
  await build({
    ...{
      entryPoints: [join(source, 'main.tsx')],
      outdir,
      absWorkingDir: source,
      bundle: true,
      format: 'esm',
    },
    ...{ jsx: 'automatic', logLevel: 'warning' },
    alias: { 'react-router-dom-v5-compat': 'react-router-dom' },
    loader: {
      '.svg': 'dataurl',
      '.png': 'dataurl',
      '.woff2': 'dataurl',
      '.woff': 'dataurl',
      '.ttf': 'dataurl',
    },
    define: { 'process.env.NODE_ENV': '"production"', global: 'globalThis' },
  })
}
