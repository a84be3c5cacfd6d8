import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import type { Plugin } from 'vite'
import { defineConfig } from 'vite'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  root: here('.'),
  base: '/',
  publicDir: false,
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  plugins: [namedBuild()],
  build: {
    outDir: here('../../../dist/console'),
    emptyOutDir: true,
    target: 'es2022',
    // The hub's policy is default-src 'self': no data: addresses, no inline script.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: { index: here('index.html'), 'service-worker': here('worker/service-worker.ts') },
      checks: { pluginTimings: false }, // on a busy machine it warns of nothing
      output: {
        // A service worker is found by its address, which stays.
        entryFileNames: ({ name }) =>
          name === 'service-worker' ? '[name].js' : 'assets/[name]-[hash].js',
        // Texts change less often than code, and are more than half of it.
        codeSplitting: {
          groups: [
            { name: 'words', test: /[\\/](?:web[\\/]src[\\/]i18n|incidents[\\/]words)[\\/]/ },
          ],
        },
      },
    },
  },
})

/** Tells the service worker which files the build has; its text changes with them, so that browsers see a new one. */
function namedBuild(): Plugin {
  return {
    name: 'named-build',
    generateBundle: {
      order: 'post',
      handler(_options, bundle) {
        const assets = Object.keys(bundle)
          .filter((file) => file.startsWith('assets/'))
          .map((file) => `/${file}`)
          .sort()
        const page = bundle['index.html']
        const hash = createHash('sha256').update(JSON.stringify(assets))
        if (page?.type === 'asset') hash.update(page.source)
        const name = hash.digest('hex').slice(0, 16)
        const worker = bundle['service-worker.js']
        if (worker?.type !== 'chunk') throw new Error('The service worker was not built.')
        if (worker.imports.length > 0)
          throw new Error('The service worker shares code with the page; it must stand alone.')
        worker.code = worker.code.replaceAll('__BUILD__', JSON.stringify({ name, assets }))
      },
    },
  }
}
