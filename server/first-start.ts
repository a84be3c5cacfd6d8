import { randomUUID } from 'node:crypto'
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { type HubConfig, publicUrl } from './config.ts'
import { StartError } from './errors.ts'
import type { Role } from './people/plugin.ts'

/** Makes the data folder, or says why it cannot be used. */
export function prepareDataFolder(config: HubConfig): void {
  const hub = join(config.data, 'hub')
  try {
    makeFolder(hub)
    accessSync(hub, constants.W_OK | constants.X_OK)
    const probe = join(hub, `.probe-${process.pid}`)
    writeFileSync(probe, '')
    rmSync(probe)
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException
    throw new StartError(
      `The data folder ${config.data} cannot be written (${code}${path === undefined ? '' : ` at ${path}`}).\n` +
        `Give the user ${process.env['USER'] ?? `with id ${process.getuid?.()}`} the right to write there, or choose another: CALLWARD_DATA=/var/lib/callward`,
    )
  }
  guardDemo(config, join(config.data, 'demo'))
}

/**
 * Makes a folder and those above it, for this user only. Not `mkdirSync(recursive)`: Node loops for ever where
 * the system says ENOENT to a mkdir in an existing folder, as /proc does.
 */
function makeFolder(path: string): void {
  if (existsSync(path)) return
  if (dirname(path) !== path) makeFolder(dirname(path))
  mkdirSync(path, { mode: 0o700 })
}

/** Demo and real data never share a folder. */
function guardDemo(config: HubConfig, mark: string): void {
  const hasRecords = existsSync(join(config.data, 'hub', 'records.sqlite'))
  if (config.demo && hasRecords && !existsSync(mark)) {
    throw new StartError(
      `${config.data} holds real data; the demo does not start on it.\nGive the demo a folder of its own: CALLWARD_DATA=./data-demo npm start -- --demo`,
    )
  }
  if (!config.demo && existsSync(mark)) {
    throw new StartError(
      `${config.data} is a demo's data folder; real hosts must not report into it.\nChoose another folder: CALLWARD_DATA=./data npm start`,
    )
  }
  if (config.demo) writeFileSync(mark, 'This folder holds the demo’s simulated data.\n')
}

/** Where this machine's own collector and terminal find their tokens. */
export interface LocalFiles {
  readonly collectorToken: string
  readonly terminalToken: string
  readonly signInLink: string
}

export function localFiles(config: HubConfig): LocalFiles {
  return {
    collectorToken: join(config.data, 'collector', 'token'),
    terminalToken: join(config.data, 'hub', 'terminal.token'),
    signInLink: join(config.data, 'hub', 'sign-in-link'),
  }
}

/** Writes the local collector's and terminal's tokens where they are missing or no longer valid. */
export async function ensureLocalTokens(app: FastifyInstance, config: HubConfig): Promise<void> {
  const files = localFiles(config)
  makeFolder(join(config.data, 'collector'))
  await ensureToken(
    app,
    files.collectorToken,
    'local-collector',
    'collector',
    'this host’s own collector',
  )
  await ensureToken(app, files.terminalToken, 'admin', 'admin', 'terminal on the hub’s machine')
}

async function ensureToken(
  app: FastifyInstance,
  path: string,
  name: string,
  role: Role,
  label: string,
): Promise<void> {
  if (
    existsSync(path) &&
    (await app.access.people.byToken(readFileSync(path, 'utf8').trim())) !== undefined
  )
    return
  const known = await app.access.people.roleOf(name)
  if (known !== undefined && known !== role) {
    // An administrator decided so; the hub starts all the same.
    app.log.warn(
      { account: name, file: path },
      `no token is written for ${label}: the account "${name}" is ${known === null ? 'disabled' : `${known} now`}`,
    )
    return
  }
  const { token } = await app.access.people.createToken(name, role, label)
  writeSecret(path, token)
}

/**
 * Until somebody has signed in by a link, each start makes a new one: to the terminal, else to a file only
 * this user can read. Never to the log.
 */
export async function offerSignIn(app: FastifyInstance, config: HubConfig): Promise<void> {
  const { signInLink } = localFiles(config)
  if (await app.access.people.anyLinkUsed()) {
    rmSync(signInLink, { force: true })
    return
  }
  const { code } = await app.access.people.createSignInLink(app.access.adminId)
  const url = `${publicUrl(config)}/sign-in#${code}`
  writeSecret(signInLink, url)
  if (process.stdout.isTTY)
    process.stdout.write(`\nSign in to the console (one use, 15 minutes):\n  ${url}\n\n`)
  else app.log.info({ file: signInLink }, 'a sign-in link (one use, 15 minutes) is in this file')
}

/** Writes a secret that only this user can read; whole or not at all. */
function writeSecret(path: string, secret: string): void {
  const part = `${path}.${randomUUID()}`
  writeFileSync(part, `${secret}\n`, { mode: 0o600, flag: 'wx' })
  chmodSync(part, 0o600)
  renameSync(part, path)
}
