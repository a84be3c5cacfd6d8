// Builds what changed: the program by tsc, the console by vite. `node bin/build.mjs --force` builds all.
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundleHub, isBundled } from './bundle-hub.mjs'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

const program = {
  name: 'program',
  sources: [
    'collector',
    'server',
    'dashboards',
    'alerts',
    'clocks',
    'deadlines',
    'incidents',
    'witness',
    'verifier',
    'test',
    'tsconfig.json',
    'package.json',
  ],
  skip: [join('server', 'console', 'web'), join('test', 'grafana-drawing', 'page')],
  stamp: join(root, 'dist', '.program-built'),
  command: ['typescript7/bin/tsc'],
}
const web = {
  name: 'console',
  sources: [
    join('server', 'console', 'web'),
    join('server', 'console', 'program-paths.ts'),
    join('dashboards', 'drawing'),
    'incidents',
    'package.json',
  ],
  skip: [],
  stamp: join(root, 'dist', '.console-built'),
  command: [
    'vite/bin/vite.js',
    'build',
    '--config',
    join('server', 'console', 'web', 'vite.config.ts'),
    '--logLevel',
    'warn',
  ],
}

/** Builds the parts whose sources are newer than their last build; says so on `stderr`. */
export async function build({ force = false } = {}) {
  const due = [program, web].filter((part) => force || isDue(part))
  const compiled = join(root, 'dist')
  if (due.length === 0 && isBundled(compiled)) return
  if (!existsSync(join(root, 'node_modules', 'typescript7'))) {
    throw new Error('The packages to build with are missing. Run: npm ci')
  }
  const startedAt = Date.now()
  process.stderr.write(
    `Building the ${due.map(({ name }) => name).join(' and the ') || 'bundle'} (about 20 seconds)...\n`,
  )
  await Promise.all(due.map(run))
  if (due.includes(program) || !isBundled(compiled)) {
    await bundleHub(compiled)
    // The hub hands it to the hosts that enrol.
    await node('the collector’s bundle', [join(root, 'bin', 'bundle-collector.mjs')])
    await node('the verifier’s page', [join(root, 'bin', 'bundle-verifier.mjs')])
  }
  process.stderr.write(`Built in ${((Date.now() - startedAt) / 1000).toFixed(1)} s.\n`)
}

function isDue({ sources, skip, stamp }) {
  if (!existsSync(stamp)) return true
  const builtAt = statSync(stamp).mtimeMs
  return sources.some((source) => newest(source, skip) > builtAt)
}

function newest(path, skip) {
  if (skip.includes(path) || path.endsWith('.md')) return 0
  const stats = statSync(join(root, path), { throwIfNoEntry: false })
  if (stats === undefined) return 0
  if (!stats.isDirectory()) return stats.mtimeMs
  const names = readdirSync(join(root, path)).filter(
    (name) => name !== 'node_modules' && name !== 'fixtures',
  )
  return Math.max(stats.mtimeMs, ...names.map((name) => newest(join(path, name), skip)))
}

async function run({ name, command: [script, ...rest], stamp }) {
  const startedAt = new Date()
  await node(`the ${name}`, [join(root, 'node_modules', script), ...rest])
  mkdirSync(dirname(stamp), { recursive: true })
  writeFileSync(stamp, '')
  // What was changed while building is due again.
  utimesSync(stamp, startedAt, startedAt)
}

async function node(what, args) {
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 2, 2] })
  const code = await new Promise((resolve, reject) =>
    child.once('error', reject).once('exit', resolve),
  )
  if (code !== 0) throw new Error(`Building ${what} failed; the lines above say where.`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  build({ force: process.argv.includes('--force') }).catch((error) => {
    process.stderr.write(`${error.message}\n`)
    process.exitCode = 1
  })
}
