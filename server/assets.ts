import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

function findPackageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder)
    if (parent === folder) throw new Error('BUG: no package.json above the program')
    folder = parent
  }
  return folder
}

/** Folder that holds package.json, alerts/rules, runbooks and the built console. */
export const packageRoot = findPackageRoot()

/** Version of this program, from package.json. */
export const version = String(
  (JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: unknown })
    .version,
)
