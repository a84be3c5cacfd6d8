// Builds the package of the collector with dpkg-deb alone: `node packaging/build-deb.mjs --help`.
// The same sources give the same bytes: fixed times (SOURCE_DATE_EPOCH), root as owner, one thread of xz.
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { gzipSync } from 'node:zlib'

const here = dirname(fileURLToPath(import.meta.url))
const root = dirname(here)

const help = `node packaging/build-deb.mjs [OPTIONS]: builds callward-collector_VERSION_ARCHITECTURE.deb

  --out FOLDER           where to put it (default dist/packages)
  --bundle FILE          the collector as one file (default: made anew from dist by bin/bundle-collector.mjs)
  --node FILE            a binary of Node to carry along, for hosts that have none; then the package is for this
                         machine's architecture and depends on no package of Node
  --node-license FILE    the licence of that binary (default: LICENSE two folders above it, as in Node's own archives)
  --help                 this page

Environment: SOURCE_DATE_EPOCH (default: time of the last commit), DEBFULLNAME and DEBEMAIL name the maintainer.
`

/** What goes where: source relative to this folder, target, mode. Everything else in the package is generated. */
const files = [
  ['callward-collector', 'usr/bin/callward-collector', 0o755],
  ['callward-smart', 'usr/lib/callward/callward-smart', 0o755],
  ['collector.yaml', 'etc/callward/collector.yaml', 0o640],
  [
    'systemd/callward-collector.service',
    'usr/lib/systemd/system/callward-collector.service',
    0o644,
  ],
  ['systemd/callward-smart.service', 'usr/lib/systemd/system/callward-smart.service', 0o644],
  ['systemd/callward-smart.timer', 'usr/lib/systemd/system/callward-smart.timer', 0o644],
  ['deb/copyright', 'usr/share/doc/callward-collector/copyright', 0o644],
]
const controlScripts = ['postinst', 'prerm', 'postrm']

function main() {
  const { values } = parseArgs({
    options: {
      out: { type: 'string', default: join(root, 'dist', 'packages') },
      bundle: { type: 'string' },
      node: { type: 'string' },
      'node-license': { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) return process.stdout.write(help)
  const stage = mkdtempSync(join(tmpdir(), 'callward-deb-'))
  try {
    const built = buildIn(stage, values)
    process.stdout.write(`${built}: ${(statSync(built).size / 1024 / 1024).toFixed(1)} MiB\n`)
  } finally {
    rmSync(stage, { recursive: true, force: true })
  }
}

function buildIn(stage, { out, bundle, node, 'node-license': nodeLicense }) {
  const epoch = sourceDate()
  chmodSync(stage, 0o755)
  layFiles(stage)
  layBundle(stage, bundle)
  if (node !== undefined) layNode(stage, node, nodeLicense)
  makeFolder(stage, 'var/lib/callward', 0o755)
  const version = debianVersion(
    JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version,
  )
  const architecture = node === undefined ? 'all' : debianArchitecture()
  writeControl(stage, version, architecture, node !== undefined)
  setTimes(stage, epoch)
  mkdirSync(out, { recursive: true })
  const target = join(resolve(out), `callward-collector_${version}_${architecture}.deb`)
  const how = ['--root-owner-group', '-Zxz', '--threads-max=1', '--build', stage, target]
  execFileSync('dpkg-deb', how, {
    env: { ...process.env, SOURCE_DATE_EPOCH: String(epoch) },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  return target
}

function layFiles(stage) {
  for (const [source, target, mode] of files)
    lay(stage, target, readFileSync(join(here, source)), mode)
  const page = readFileSync(join(here, 'deb', 'callward-collector.8'))
  lay(stage, 'usr/share/man/man8/callward-collector.8.gz', packed(page), 0o644)
  const changes = readFileSync(join(root, 'CHANGELOG.md'))
  lay(stage, 'usr/share/doc/callward-collector/changelog.gz', packed(changes), 0o644)
}

function layNode(stage, node, license) {
  const text = license ?? resolve(dirname(node), '..', 'LICENSE')
  if (!existsSync(text)) {
    throw new Error(`There is no licence at ${text}: name it with --node-license FILE`)
  }
  makeFolder(stage, 'usr/lib/callward', 0o755)
  copyFileSync(node, join(stage, 'usr/lib/callward/node'))
  chmodSync(join(stage, 'usr/lib/callward/node'), 0o755)
  lay(stage, 'usr/share/doc/callward-collector/node-LICENSE.gz', packed(readFileSync(text)), 0o644)
}

/** gzip without name and time, so that the bytes are always the same (RFC 1952 §2.3.1: MTIME 0 is "none"). */
function packed(content) {
  const bytes = gzipSync(content, { level: 9 })
  bytes[9] = 3 // the field "operating system": Unix, whatever zlib was built for
  return bytes
}

function lay(stage, target, content, mode) {
  makeFolder(stage, dirname(target), 0o755)
  const path = join(stage, target)
  writeFileSync(path, content)
  chmodSync(path, mode)
}

/** Modes by chmod: those of mkdir depend on the umask. */
function makeFolder(stage, folder, mode) {
  if (folder === '.') return
  makeFolder(stage, dirname(folder), 0o755)
  const path = join(stage, folder)
  if (existsSync(path)) return
  mkdirSync(path)
  chmodSync(path, mode)
}

/** Makes the bundle of what is compiled, or takes the one given. */
function layBundle(stage, given) {
  const path = join(stage, 'usr/lib/callward/callward-collector.mjs')
  makeFolder(stage, dirname(relative(stage, path)), 0o755)
  if (given !== undefined) copyFileSync(given, path)
  else bundleTo(path)
  chmodSync(path, 0o755)
}

function bundleTo(path) {
  const bundler = join(root, 'bin', 'bundle-collector.mjs')
  const { status } = spawnSync(process.execPath, [bundler, path], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  if (status !== 0)
    throw new Error('The collector could not be bundled. Build first: npm run build')
}

function writeControl(stage, version, architecture, carriesNode) {
  const packaged = filesIn(stage)
  const kibibytes = packaged.reduce((sum, path) => sum + Math.ceil(statSync(path).size / 1024), 0)
  const values = {
    VERSION: version,
    ARCHITECTURE: architecture,
    MAINTAINER: maintainer(),
    INSTALLED_SIZE: String(kibibytes),
    // What Node itself links against, or a Node: of Debian's name, or a site's own that provides the other.
    NODE_DEPENDS: carriesNode ? 'libc6, libstdc++6, ' : 'nodejs (>= 20.19) | callward-node, ',
  }
  const text = readFileSync(join(here, 'deb', 'control'), 'utf8')
  const control = text.replace(/@(\w+)@/g, (_, key) => {
    if (values[key] === undefined) throw new Error(`BUG: control asks for ${key}`)
    return values[key]
  })
  const sums = packaged.map((path) => `${md5(path)}  ${relative(stage, path)}\n`)
  lay(stage, 'DEBIAN/control', control, 0o644)
  lay(stage, 'DEBIAN/md5sums', sums.join(''), 0o644)
  lay(stage, 'DEBIAN/conffiles', readFileSync(join(here, 'deb', 'conffiles')), 0o644)
  for (const name of controlScripts)
    lay(stage, `DEBIAN/${name}`, readFileSync(join(here, 'deb', name)), 0o755)
}

const md5 = (path) => createHash('md5').update(readFileSync(path)).digest('hex')

/** Files below a folder, sorted by name. */
function filesIn(folder) {
  return readdirSync(folder, { recursive: true })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
    .sort()
}

function setTimes(stage, epoch) {
  for (const name of ['.', ...readdirSync(stage, { recursive: true })])
    utimesSync(join(stage, name), epoch, epoch)
}

/** Seconds since the epoch (reproducible-builds.org, SOURCE_DATE_EPOCH). */
function sourceDate() {
  const given = process.env.SOURCE_DATE_EPOCH
  if (given !== undefined && given !== '') {
    if (!/^\d{1,12}$/.test(given))
      throw new Error(
        `SOURCE_DATE_EPOCH must be seconds since 1970, e.g. 1767225600, not "${given}"`,
      )
    return Number(given)
  }
  const { stdout, status } = spawnSync('git', ['log', '-1', '--format=%ct'], {
    cwd: root,
    encoding: 'utf8',
  })
  if (status === 0 && /^\d+\n$/.test(stdout)) return Number(stdout)
  throw new Error('The time of the sources is not known: set SOURCE_DATE_EPOCH, e.g. 1767225600')
}

/** A pre-release sorts before its release in Debian by a tilde (deb-version(7)). */
const debianVersion = (version) => version.replace('-', '~')

function debianArchitecture() {
  return execFileSync('dpkg', ['--print-architecture'], { encoding: 'utf8' }).trim()
}

function maintainer() {
  const { DEBFULLNAME: name, DEBEMAIL: address } = process.env
  return `${name || 'Callward contributors'} <${address || 'callward@localhost'}>`
}

try {
  main()
} catch (error) {
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
}
