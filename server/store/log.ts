/** What the store says to the log; pino's loggers fit. */
export interface StoreLogger {
  info(detail: object, message: string): void
  warn(detail: object, message: string): void
  error(detail: object, message: string): void
}

const nothing = () => undefined

/** Says nothing. */
export const silentLogger: StoreLogger = { info: nothing, warn: nothing, error: nothing }
