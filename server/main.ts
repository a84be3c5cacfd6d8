import { buildApp } from './app.ts'
import { systemClock } from './clock.ts'
import { ConfigError, type HubConfig, publicUrl, readHubConfig } from './config.ts'
import { StartError } from './errors.ts'
import { ensureLocalTokens, offerSignIn, prepareDataFolder } from './first-start.ts'

/** Time a stop may take before the hub ends anyway; what is acknowledged is durable. */
const stopWithinMillis = 10_000

async function start(config: HubConfig): Promise<void> {
  // Whatever the hub writes is for its own user.
  process.umask(0o077)
  prepareDataFolder(config)
  const app = await buildApp(config, systemClock).catch((error: unknown) => {
    throw openError(error, config)
  })
  let stopping = false
  const stop = (signal: string) => {
    if (stopping) return
    stopping = true
    app.log.info({ signal }, 'stopping')
    setTimeout(() => process.exit(1), stopWithinMillis).unref()
    app.close().then(
      () => process.exit(0),
      (err: unknown) => {
        app.log.error({ err }, 'stopping failed')
        process.exit(1)
      },
    )
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  try {
    await app.ready()
    await ensureLocalTokens(app, config)
    await app.listen({ host: config.host, port: config.port })
    await offerSignIn(app, config)
  } catch (error) {
    await app.close().catch(() => undefined)
    throw listenError(error, config)
  }
  app.log.info({ console: publicUrl(config), data: config.data }, 'hub ready')
}

function openError(error: unknown, config: HubConfig): unknown {
  const { name, message } = error as Error
  if (name !== 'RecordsError') return error
  const where =
    config.recordsUrl === undefined ? `in ${config.data}/hub/records.sqlite` : 'at CALLWARD_RECORDS'
  return new StartError(
    `The records ${where} cannot be opened: ${message}.\nRestore them from a backup, or move them away to start with empty ones.`,
  )
}

function listenError(error: unknown, config: HubConfig): unknown {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'EADDRINUSE') {
    return new StartError(
      `Port ${config.port} of ${config.host} is in use: is a hub running already?\nStop it, or choose another: CALLWARD_LISTEN=127.0.0.1:9771`,
    )
  }
  if (code === 'EACCES') {
    return new StartError(
      `Listening on ${config.host}:${config.port} is not allowed (ports under 1024 need a right). Choose another: CALLWARD_LISTEN=127.0.0.1:9770`,
    )
  }
  if (code === 'EADDRNOTAVAIL') {
    return new StartError(
      `This machine has no address ${config.host}. Example: CALLWARD_LISTEN=127.0.0.1:9770`,
    )
  }
  return error
}

try {
  await start(readHubConfig(process.env))
} catch (error) {
  const known =
    error instanceof ConfigError ||
    error instanceof StartError ||
    (error as Error).name === 'CallwardError'
  process.stderr.write(`${known ? (error as Error).message : (error as Error).stack}\n`)
  process.exit(error instanceof ConfigError ? 2 : 1)
}
