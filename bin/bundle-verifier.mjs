// Makes the offline verifier one HTML file that opens from disk: dist/verifier/callward-verifier.html. Its script and style are
// named by their hashes in its own policy, which lets nothing else run and nothing be loaded.
import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const page = join(root, 'verifier', 'page')
const outfile = join(root, 'dist', 'verifier', 'callward-verifier.html')

const { outputFiles, metafile } = await build({
  entryPoints: [join(page, 'main.ts'), join(page, 'page.css')],
  outdir: page,
  bundle: true,
  write: false,
  minify: true,
  charset: 'utf8',
  target: ['es2022'],
  format: 'esm',
  metafile: true,
  absWorkingDir: root,
  logLevel: 'warning',
})
// The published workflow is replayed, deadlines are worked out again; of the hub there is nothing.
const ours = /^(?:verifier|incidents|clocks|deadlines)\//
const calendarAndYaml = /(?:^|\/)node_modules\/(?:temporal-polyfill|temporal-utils|yaml)\//
const foreign = Object.keys(metafile.inputs).filter(
  (path) => !ours.test(path) && !calendarAndYaml.test(path),
)
if (foreign.length > 0) {
  process.stderr.write(`The verifier contains ${foreign.join(', ')}\n`)
  process.exit(1)
}
const text = (end) => outputFiles.find(({ path }) => path.endsWith(end)).text.trim()
// Inside the page nothing may look like its end.
const [script, style] = [text('.js').replaceAll('</script', '<\\/script'), text('.css')]
const hash = (content) => `sha256-${createHash('sha256').update(content).digest('base64')}`
const html = (await readFile(join(page, 'page.html'), 'utf8')).replace(
  /SCRIPT-HASH|STYLE-HASH|<!--SCRIPT-->|<!--STYLE-->/g,
  (name) =>
    ({
      'SCRIPT-HASH': hash(script),
      'STYLE-HASH': hash(style),
      '<!--SCRIPT-->': `<script type="module">${script}</script>`,
      '<!--STYLE-->': `<style>${style}</style>`,
    })[name],
)
await mkdir(dirname(outfile), { recursive: true })
await writeFile(outfile, html)
