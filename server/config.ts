import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import Type, { type Static } from 'typebox'
import Value from 'typebox/value'
import { LineCounter, parseDocument } from 'yaml'
import { zoneFault } from '../alerts/calendar.ts'
import { deadlineSettings } from './deadlines/settings.ts'
import { witnessFaults } from './ledger/witness-config.ts'
import { influxFaults, influxSettings } from './store/influx/settings.ts'
import { storeFaults, storeSettings } from './store/victoria/settings.ts'
import { incidentEvents, webhookFaults } from './webhooks/events.ts'

function minutesBySeverity(defaults: Readonly<Record<'sev1' | 'sev2' | 'sev3' | 'sev4', number>>) {
  const minutes = (most: number) => Type.Integer({ minimum: 1, maximum: 10_080, default: most })
  return Type.Object(
    {
      sev1: minutes(defaults.sev1),
      sev2: minutes(defaults.sev2),
      sev3: minutes(defaults.sev3),
      sev4: minutes(defaults.sev4),
    },
    { additionalProperties: false, default: {} },
  )
}

function contactPointNames() {
  return Type.Array(Type.String({ minLength: 1, maxLength: 200 }), { default: [], maxItems: 100 })
}

/** The `hub:` section of the configuration file; docs/configuration.md shows each key. */
const HubFile = Type.Object(
  {
    listen: Type.String({ default: '127.0.0.1:9770' }),
    data: Type.String({ default: './data', minLength: 1 }),
    retentionDays: Type.Number({ default: 15, minimum: 0, maximum: 36_500 }),
    /** postgres://…; absent = SQLite in the data folder. */
    recordsUrl: Type.Optional(Type.String({ pattern: '^postgres(ql)?://' })),
    /** Where people reach the hub; used in links. Default: http:// and the listen address. */
    publicUrl: Type.Optional(Type.String({ pattern: '^https?://' })),
    /** Further Host names the hub answers to. */
    hosts: Type.Array(Type.String({ minLength: 1 }), { default: [] }),
    /** Further folder of rule files. */
    rulesFolder: Type.Optional(Type.String({ minLength: 1 })),
    /** Folder of baselines, one YAML file a role; docs/changes.md. */
    baselinesFolder: Type.Optional(Type.String({ minLength: 1 })),
    /** Folder of own regimes of time limits, one YAML file each; docs/clocks.md. */
    regimesFolder: Type.Optional(Type.String({ minLength: 1 })),
    /** Id of the escalation policy of alerts that name none; docs/paging.md. */
    escalationPolicy: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
    /** Routing in Alertmanager's format; docs/routing.md. */
    routing: Type.Optional(Type.String({ minLength: 1 })),
    /** Networks on the hub's own side of the internet that messages may go to; docs/notify.md. */
    notifyAllow: Type.Array(Type.String({ minLength: 1, maxLength: 100 }), {
      default: [],
      maxItems: 100,
    }),
    /** Folder of own templates of messages. */
    notifyTemplatesFolder: Type.Optional(Type.String({ minLength: 1 })),
    /** How long attempts to send are kept. */
    notifyLogDays: Type.Number({ default: 400, minimum: 0, maximum: 36_500 }),
    /** How long closed pages are kept, with all that is known of whom they reached. */
    pageDays: Type.Number({ default: 400, minimum: 0, maximum: 36_500 }),
    /** How long after a change record's window a version change still counts as in it. */
    changeGraceMinutes: Type.Number({ default: 120, minimum: 0, maximum: 10_080 }),
    /** How much history of each facts document of a host is kept. */
    factsVersions: Type.Integer({ default: 200, minimum: 100, maximum: 100_000 }),
    factsDays: Type.Number({ default: 400, minimum: 0, maximum: 36_500 }),
    /** Alerts posted to /am that may be active at once; docs/alertmanager.md. */
    externalAlertsMax: Type.Integer({ default: 20_000, minimum: 10, maximum: 200_000 }),
    /** How long a posted alert lasts that does not say until when. */
    alertResolveSeconds: Type.Number({ default: 300, minimum: 30, maximum: 86_400 }),
    /** IANA zone of the site: what is night, when the canary flies; absent: that of the machine. */
    timeZone: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
    /** How OTLP metrics become series; docs/ingest.md. */
    otlp: Type.Object(
      {
        /** Resource attributes that become labels of every series of the resource. */
        promote: Type.Array(Type.String({ minLength: 1, maxLength: 200 }), {
          default: ['customer', 'site', 'server', 'role', 'env'],
          maxItems: 100,
        }),
        /** Whether series carry the name, version and attributes of their instrumentation scope. */
        scopeLabels: Type.Boolean({ default: true }),
      },
      { additionalProperties: false, default: {} },
    ),
    /** `$externalLabels` of the rules' templates. */
    externalLabels: Type.Record(
      Type.String({ pattern: '^[a-zA-Z_][a-zA-Z0-9_]*$' }),
      Type.String({ maxLength: 1000 }),
      { default: {}, maxProperties: 50 },
    ),
    ruleIntervalSeconds: Type.Number({ default: 10, minimum: 1, maximum: 3600 }),
    requestsPerMinute: Type.Integer({ default: 60_000, minimum: 10 }),
    failedSignInsPerMinute: Type.Integer({ default: 600, minimum: 1 }),
    signInsPerMinute: Type.Integer({ default: 20, minimum: 1 }),
    /** How long a console session lives without a request; docs/accounts.md. */
    idleMinutes: Type.Number({ default: 30, minimum: 1, maximum: 720 }),
    /** Roles whose people come in by password only with a second factor. */
    requireSecondFactor: Type.Array(Type.Enum(['admin', 'operator', 'auditor']), { default: [] }),
    /** A new version of a baseline counts only once two people agreed. */
    twoPersonBaselines: Type.Boolean({ default: false }),
    maxSessions: Type.Integer({ default: 10_000, minimum: 1 }),
    /** Files (PEM) of the hub's certificate with its chain, and of its key; absent: the hub speaks plain HTTP. */
    tls: Type.Optional(
      Type.Object(
        { certificate: Type.String({ minLength: 1 }), key: Type.String({ minLength: 1 }) },
        { additionalProperties: false },
      ),
    ),
    /** A proxy ends TLS before the hub, and nobody else reaches it. */
    behindTlsProxy: Type.Boolean({ default: false }),
    /** Connections of enrolled collectors that have not proven themselves yet. */
    maxHalfOpenSessions: Type.Integer({ default: 512, minimum: 1 }),
    /** A word outward at each interval while the hub is well: silence there means trouble here; docs/operations.md. */
    heartbeat: Type.Optional(
      Type.Object(
        {
          url: Type.String({ pattern: '^https?://', maxLength: 2000 }),
          /** Told with the reason while the hub is not well; without it nothing is sent then. */
          failUrl: Type.Optional(Type.String({ pattern: '^https?://', maxLength: 2000 })),
          method: Type.Enum(['GET', 'POST'], { default: 'GET' }),
          body: Type.Optional(Type.String({ maxLength: 10_000 })),
          intervalSeconds: Type.Integer({ default: 60, minimum: 10, maximum: 86_400 }),
        },
        { additionalProperties: false },
      ),
    ),
    /** A test alert a day through rules, records and channels; docs/operations.md. */
    canary: Type.Optional(
      Type.Object(
        {
          /** On the site's clock. */
          at: Type.String({ pattern: '^([01]\\d|2[0-3]):[0-5]\\d$' }),
          /** Id of a contact point that is sent the canary too. */
          contactPoint: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
        },
        { additionalProperties: false },
      ),
    ),
    /** Whose time limits incidents have; docs/deadlines.md. */
    incidents: Type.Optional(
      Type.Object(
        {
          ...deadlineSettings,
          pdf: Type.Optional(
            Type.Object(
              {
                /** Path of Chromium or Chrome; absent: no PDF is made. */
                chromium: Type.String({ minLength: 1, maxLength: 1000 }),
                timeoutSeconds: Type.Number({ default: 30, minimum: 5, maximum: 300 }),
              },
              { additionalProperties: false },
            ),
          ),
          webhooks: Type.Array(
            Type.Object(
              {
                name: Type.String({ pattern: '^[a-z0-9][a-z0-9_.-]{0,63}$' }),
                url: Type.String({ pattern: '^https?://', maxLength: 2000 }),
                secret: Type.String({ minLength: 16, maxLength: 256 }),
                /** All but `facts` where it is left out. */
                events: Type.Optional(
                  Type.Array(Type.Enum([...incidentEvents]), { minItems: 1, maxItems: 20 }),
                ),
              },
              { additionalProperties: false },
            ),
            { default: [], maxItems: 16 },
          ),
        },
        { additionalProperties: false },
      ),
    ),
    /** Who is sent to incidents, and how long they have to answer; docs/communication.md. */
    dispatch: Type.Object(
      {
        acceptMinutes: minutesBySeverity({ sev1: 5, sev2: 10, sev3: 30, sev4: 120 }),
        /** The first whose conditions all hold. */
        routes: Type.Array(
          Type.Object(
            {
              service: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
              host: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
              site: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
              to: Type.String({ pattern: '^(schedule|policy|team|person):.{1,200}$' }),
            },
            { additionalProperties: false },
          ),
          { default: [], maxItems: 500 },
        ),
      },
      { additionalProperties: false, default: {} },
    ),
    /** What is promised to those who wait for word of an incident; docs/communication.md. */
    communication: Type.Object(
      {
        /** Ids or labels of contact points that a notice goes to which names none. */
        contactPoints: Type.Object(
          {
            management: contactPointNames(),
            departments: contactPointNames(),
            customers: contactPointNames(),
          },
          { additionalProperties: false, default: {} },
        ),
      },
      { additionalProperties: false, default: {} },
    ),
    /** Who cosigns the ledger's checkpoints; docs/ledger.md. */
    witnesses: Type.Array(
      Type.Object(
        {
          name: Type.String({ pattern: '^[a-z0-9][a-z0-9_.-]{0,63}$' }),
          /** Where it is offered checkpoints; absent: it fetches them. */
          url: Type.Optional(Type.String({ pattern: '^https?://', maxLength: 2000 })),
          /** As the witness shows it. */
          key: Type.String({ maxLength: 300 }),
        },
        { additionalProperties: false },
      ),
      { default: [], maxItems: 16 },
    ),
    /** Where samples go besides the hub's own store; docs/victoriametrics.md. */
    store: Type.Optional(storeSettings),
    /** An InfluxDB that is sent every sample too; docs/influxdb.md. */
    influx: Type.Optional(influxSettings),
    /** Threads for heavy queries; absent: two, or one on a single core. */
    queryWorkers: Type.Optional(Type.Integer({ minimum: 0, maximum: 64 })),
    logLevel: Type.Enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], {
      default: 'info',
    }),
  },
  { additionalProperties: false },
)

/** What the hub runs with: the file's keys, overridden by the environment. */
export type HubConfig = Readonly<Static<typeof HubFile>> & {
  readonly host: string
  readonly port: number
  readonly adminToken?: string
  /** The file that CALLWARD_CONFIG names. */
  readonly configFile?: string
  /** True for the demo: the data folder is marked and every screen says so. */
  readonly demo: boolean
}

/** Every fault of the configuration at once; main prints `message` and exits with 2. */
export class ConfigError extends Error {}

const environmentKeys = {
  CALLWARD_LISTEN: 'listen',
  CALLWARD_DATA: 'data',
  CALLWARD_RETENTION: 'retentionDays',
  CALLWARD_RECORDS: 'recordsUrl',
  CALLWARD_PUBLIC_URL: 'publicUrl',
  CALLWARD_LOG: 'logLevel',
} as const

const examples: Record<string, string> = {
  listen: 'listen: 127.0.0.1:9770   (environment: CALLWARD_LISTEN)',
  data: 'data: /var/lib/callward   (environment: CALLWARD_DATA)',
  retentionDays: 'retentionDays: 15   (environment: CALLWARD_RETENTION; 0 keeps everything)',
  recordsUrl:
    'recordsUrl: postgres://callward@127.0.0.1/callward   (environment: CALLWARD_RECORDS)',
  publicUrl: 'publicUrl: https://callward.bank.example   (environment: CALLWARD_PUBLIC_URL)',
  hosts: 'hosts: [callward.bank.example]',
  rulesFolder: 'rulesFolder: /etc/callward/rules',
  baselinesFolder: 'baselinesFolder: /etc/callward/baselines',
  regimesFolder: 'regimesFolder: /etc/callward/regimes',
  escalationPolicy: 'escalationPolicy: telephony',
  routing: 'routing: /etc/callward/routing.yaml',
  notifyAllow: "notifyAllow: ['10.20.0.25:587', '10.30.0.0/24']",
  notifyTemplatesFolder: 'notifyTemplatesFolder: /etc/callward/templates',
  notifyLogDays: 'notifyLogDays: 400   (0 keeps every attempt up to 500,000)',
  pageDays: 'pageDays: 400   (0 keeps every page)',
  changeGraceMinutes: 'changeGraceMinutes: 120',
  factsVersions: 'factsVersions: 200',
  factsDays: 'factsDays: 400   (0 keeps every version up to factsVersions)',
  externalAlertsMax: 'externalAlertsMax: 20000',
  alertResolveSeconds: 'alertResolveSeconds: 300',
  heartbeat: 'heartbeat: { url: https://hc.example/ping/1234, intervalSeconds: 60 }',
  canary: "canary: { at: '09:30', contactPoint: 0190a0b0-… }",
  incidents: 'incidents: { regimes: [dora], institution: { kinds: [credit-institution] } }',
  timeZone: 'timeZone: Asia/Ho_Chi_Minh',
  otlp: 'otlp: { promote: [customer, site, server, role, env, k8s.cluster.name], scopeLabels: false }',
  externalLabels: 'externalLabels: { region: north }',
  ruleIntervalSeconds: 'ruleIntervalSeconds: 10',
  idleMinutes: 'idleMinutes: 30',
  requireSecondFactor: 'requireSecondFactor: [admin]',
  twoPersonBaselines: 'twoPersonBaselines: true',
  dispatch:
    "dispatch: { acceptMinutes: { sev1: 5 }, routes: [{ service: telephony, to: 'schedule:night' }] }",
  communication: 'communication: { contactPoints: { management: [Board] } }',
  tls: 'tls: { certificate: /etc/callward/hub.crt, key: /etc/callward/hub.key }   (environment: CALLWARD_TLS_CERTIFICATE, CALLWARD_TLS_KEY)',
  behindTlsProxy: 'behindTlsProxy: true',
  witnesses:
    "witnesses: [{ name: auditor, url: 'http://10.20.0.7:9780', key: auditor.bank.example/anna+…+B… }]",
  store: "store: { engine: victoriametrics, write: 'http://10.20.0.9:8428' }",
  influx: "influx: { url: 'http://10.20.0.9:8086', database: callward, retentionDays: 400 }",
  logLevel: 'logLevel: info   (environment: CALLWARD_LOG)',
}

/** Reads the environment (and the file CALLWARD_CONFIG names) once. Throws ConfigError. */
export function readHubConfig(
  environment: Readonly<Record<string, string | undefined>>,
): HubConfig {
  const faults: string[] = []
  const given: Record<string, unknown> = readHubSection(environment.CALLWARD_CONFIG, faults)
  for (const [variable, key] of Object.entries(environmentKeys)) {
    const text = environment[variable]
    if (text === undefined || text === '') continue
    given[key] = key === 'retentionDays' ? Number(text) : text
  }
  const tls = tlsOf(environment)
  if (tls !== undefined) given['tls'] = { ...(isRecord(given['tls']) ? given['tls'] : {}), ...tls }
  const config = Value.Default(HubFile, given) as Record<string, unknown>
  for (const error of Value.Errors(HubFile, config)) {
    if (error.keyword === 'boolean') continue
    faults.push(describe(error))
  }
  if (typeof config.timeZone === 'string' && zoneFault(config.timeZone) !== undefined)
    faults.push(
      `timeZone: "${config.timeZone}" is no IANA time zone. Example: ${examples.timeZone}`,
    )
  faults.push(...witnessFaults(config.witnesses).map((fault) => `witnesses: ${fault}`))
  faults.push(...webhookFaults(config.incidents).map((fault) => `incidents.webhooks: ${fault}`))
  faults.push(...storeFaults(config.store).map((fault) => `store: ${fault}`))
  faults.push(...influxFaults(config.influx).map((fault) => `influx: ${fault}`))
  const address = parseListen(String(config.listen))
  if (address === undefined)
    faults.push(`listen: "${String(config.listen)}" is not HOST:PORT. Example: ${examples.listen}`)
  const adminToken = environment.CALLWARD_ADMIN_TOKEN || undefined
  if (adminToken !== undefined && adminToken.length < 16) {
    faults.push(
      'CALLWARD_ADMIN_TOKEN is shorter than 16 characters. Example: CALLWARD_ADMIN_TOKEN=$(openssl rand -hex 24)',
    )
  }
  if (faults.length > 0 || address === undefined) {
    throw new ConfigError(
      `The configuration cannot be used:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`,
    )
  }
  return Object.freeze({
    ...(config as Static<typeof HubFile>),
    ...address,
    demo: environment.CALLWARD_DEMO === '1',
    ...(adminToken === undefined ? {} : { adminToken }),
    ...(environment.CALLWARD_CONFIG ? { configFile: environment.CALLWARD_CONFIG } : {}),
  })
}

/** The keys of `tls` that the environment sets; undefined when it sets none. */
function tlsOf(
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string> | undefined {
  const { CALLWARD_TLS_CERTIFICATE: certificate, CALLWARD_TLS_KEY: key } = environment
  if (!certificate && !key) return undefined
  return { ...(certificate ? { certificate } : {}), ...(key ? { key } : {}) }
}

function describe(error: {
  keyword: string
  instancePath: string
  message: string
  params: object
}): string {
  if (error.keyword === 'additionalProperties') {
    const names = (error.params as { additionalProperties: string[] }).additionalProperties
    if (error.instancePath.startsWith('/tls'))
      return `tls.${names.join(', tls.')}: unknown key. Example: ${examples['tls']}`
    return `${names.join(', ')}: unknown key. Known keys: ${Object.keys(HubFile.properties).join(', ')}`
  }
  const key = error.instancePath.split('/')[1] ?? ''
  const example = examples[key]
  return `${key}: ${error.message}.${example === undefined ? '' : ` Example: ${example}`}`
}

function readHubSection(path: string | undefined, faults: string[]): Record<string, unknown> {
  if (path === undefined || path === '') return {}
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    faults.push(
      `CALLWARD_CONFIG: ${path} cannot be read (${(error as NodeJS.ErrnoException).code}). Give the path of a readable YAML file.`,
    )
    return {}
  }
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  for (const error of document.errors) faults.push(`${path}: ${error.message}`)
  if (document.errors.length > 0) return {}
  const content: unknown = document.toJS() ?? {}
  if (!isRecord(content)) {
    faults.push(
      `${path}: must hold the sections hub: and collector:. Example: hub: { listen: 127.0.0.1:9770 }`,
    )
    return {}
  }
  for (const key of Object.keys(content)) {
    if (key !== 'hub' && key !== 'collector')
      faults.push(`${path}: unknown section "${key}". Known: hub, collector`)
  }
  const hub = content.hub ?? {}
  if (isRecord(hub)) return { ...hub }
  faults.push(`${path}: hub: must be a section of keys. Example: hub: { listen: 127.0.0.1:9770 }`)
  return {}
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** `127.0.0.1:9770`, `[::1]:9770`, `localhost:9770` or `:9770` (every address). */
export function parseListen(text: string): { host: string; port: number } | undefined {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]*):(\d{1,5})$/.exec(text)
  if (match === null) return undefined
  const host = (match[1] ?? '').replace(/^\[|\]$/g, '')
  const port = Number(match[2])
  if (port > 65_535 || (match[1]?.startsWith('[') === true && isIP(host) !== 6)) return undefined
  return { host: host === '' ? '::' : host, port }
}

/** The zone of this machine. */
export function systemZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone
}

/** Where people reach the hub. */
export function publicUrl(config: HubConfig): string {
  if (config.publicUrl !== undefined) return config.publicUrl.replace(/\/$/, '')
  const host = config.host === '::' || config.host === '0.0.0.0' ? 'localhost' : config.host
  const scheme = config.tls === undefined ? 'http' : 'https'
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${config.port}`
}
