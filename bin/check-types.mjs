// Types of the program, the console, its service worker and the verifier's page, by TypeScript 7's native compiler.
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const compiler = join(root, 'node_modules', 'typescript7', 'bin', 'tsc')
const codes = ['.', 'server/console/web', 'server/console/web/worker', 'verifier/page'].map(
  (part) =>
    spawnSync(process.execPath, [compiler, '--noEmit', '-p', join(root, part)], {
      stdio: 'inherit',
    }).status,
)
process.exitCode = codes.every((code) => code === 0) ? 0 : 1
