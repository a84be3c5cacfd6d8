import Type from 'typebox'
import type { Watched } from './sources/all.ts'
import type { ChronyAddress } from './sources/chrony.ts'
import { type ServiceSetting, serviceFaults, servicesLimit } from './sources/service-spec.ts'
import { portGroup } from './sources/udp-sockets.ts'

const expression = (example: string) =>
  Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 200,
      description: 'a regular expression of 1 to 200 characters',
      examples: [example],
    }),
  )

const serviceSchema = Type.Object(
  {
    name: Type.String({
      pattern: '^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$',
      description: 'up to 64 letters, digits and . _ @ -',
      examples: ['asterisk'],
    }),
    match: expression('asterisk'),
    command: expression('node .*dialler.js'),
    unit: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9:_.@\\\\-]{1,250}\\.service$',
        description: 'a systemd unit',
        examples: ['asterisk.service'],
      }),
    ),
    watch: Type.Optional(Type.Boolean({ description: 'true or false', examples: [false] })),
  },
  {
    additionalProperties: false,
    description: 'a service with its name',
    examples: ['{name: asterisk}'],
  },
)

const chronyPattern = /^(?:(127(?:\.\d{1,3}){3})|\[(::1)\]):(\d{1,5})$/

/** Keys of the collector's file that say what to watch. */
export const watchedSchemas = {
  services: Type.Optional(
    Type.Array(serviceSchema, {
      maxItems: servicesLimit,
      description: `a list of up to ${servicesLimit} services`,
      examples: ['[{name: asterisk}]'],
    }),
  ),
  udpPorts: Type.Optional(
    Type.Array(
      Type.String({
        pattern: '^\\d{1,5}(-\\d{1,5})?$',
        description: 'a port or a range of ports in quotes',
        examples: ["'10000-20000'"],
      }),
      {
        maxItems: 32,
        description: 'a list of up to 32 ports and ranges of ports',
        examples: ["['5060', '10000-20000']"],
      },
    ),
  ),
  chrony: Type.Optional(
    Type.String({
      pattern: chronyPattern.source,
      description: 'the loopback address and port of chronyd’s commands',
      examples: ['127.0.0.1:323'],
    }),
  ),
}

interface WatchedSettings {
  readonly services?: readonly ServiceSetting[]
  readonly udpPorts?: readonly string[]
  readonly chrony?: string
}

/** Faults the schema cannot see, one line each. */
export function watchedFaults({ services = [], udpPorts = [] }: WatchedSettings): string[] {
  const faults = serviceFaults(services)
  for (const label of udpPorts) {
    try {
      portGroup(label)
    } catch (error) {
      faults.push(`udpPorts: ${(error as Error).message}`) // portGroup throws nothing else
    }
  }
  return faults
}

/** What the settings, already checked, say to watch. */
export function watchedOf({ services, udpPorts, chrony }: WatchedSettings): Watched {
  const address = chrony === undefined ? undefined : addressOf(chrony)
  return {
    ...(services === undefined ? {} : { services }),
    ...(udpPorts === undefined ? {} : { udpPorts }),
    ...(address === undefined ? {} : { chrony: address }),
  }
}

function addressOf(text: string): ChronyAddress | undefined {
  const [, v4, v6, port] = chronyPattern.exec(text) ?? []
  const host = v4 ?? v6
  return host === undefined ? undefined : { host, port: Number(port) }
}
