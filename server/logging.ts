import type { HubConfig } from './config.ts'

/** pino's options: one JSON line an event on standard output, secrets never in it. */
export function loggerOptions(config: HubConfig) {
  return {
    level: config.logLevel,
    redact: {
      paths: [
        'req.headers.authorization',
        'req.headers.cookie',
        'headers.authorization',
        'headers.cookie',
        'token',
        '*.token',
        'password',
        '*.password',
        'newPassword',
        '*.newPassword',
        '*.code',
        '*.secret',
        '*.recoveryCodes',
      ],
      censor: '[redacted]',
    },
    serializers: {
      req: (request: { method: string; url: string; ip?: string }) => ({
        method: request.method,
        path: request.url.split('?')[0],
        ip: request.ip,
      }),
    },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    base: { program: 'hub' },
  }
}
