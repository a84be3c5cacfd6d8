import { type Annotation, annotation } from './layer/annotations.ts'
import { colours, words } from './layer/fields.ts'
import { boardLink, boardsMenu, type Link, linkModel, macro } from './layer/links.ts'
import type { LinkModel } from './layer/model.ts'
import { forNames } from './layer/panel.ts'
import {
  datasourceVariable,
  labelVariable,
  listVariable,
  textVariable,
  type Variable,
} from './layer/variables.ts'
import { chosenHosts, chosenOrUnlabelled } from './selectors.ts'

/** Where the generated boards look for the hub's console; `generate --hub URL` sets another. */
export const defaultHubUrl = 'http://127.0.0.1:9770'

export const tag = 'callward'

/** The data source that provisioning makes. */
export const datasource = { uid: 'callward', name: 'Callward' }

const info = 'callward_server_info'

/**
 * Which hosts to show: each list narrows the next. `allServers` false starts at one server, for boards that
 * explain a single one.
 */
export function hostVariables(hubUrl: string, allServers: boolean): readonly Variable[] {
  return [
    datasourceVariable(datasource),
    labelVariable('customer', 'Customer', { metric: info, selector: '' }),
    labelVariable('site', 'Site', { metric: info, selector: 'customer=~"$customer"' }),
    labelVariable('role', 'Role', {
      metric: info,
      selector: 'customer=~"$customer",site=~"$site"',
    }),
    labelVariable(
      'server',
      'Server',
      { metric: info, selector: 'customer=~"$customer",site=~"$site",role=~"$role"' },
      { all: allServers },
    ),
    listVariable('window', 'Averaged over', ['5m', '15m', '1h']),
    textVariable('hub', 'Hub', hubUrl),
  ]
}

/** Bands where alerts fired (orange), incidents were open (red), work was planned (blue) and versions changed (purple). */
export const overlays: readonly Annotation[] = [
  annotation({
    name: 'Alerts firing',
    color: colours.attention,
    expr: `max by (alertname, severity, customer, server) (ALERTS{alertstate="firing",${chosenOrUnlabelled}})`,
    title: '{{alertname}}',
    text: '{{severity}} {{server}} ({{customer}})',
    tags: ['severity', 'server'],
  }),
  annotation({
    name: 'Incidents',
    color: colours.bad,
    expr: `max by (incident, severity, title, customer, server) (callward_incident_open{${chosenOrUnlabelled}} > 0)`,
    title: 'Incident {{incident}}: {{title}}',
    text: '{{severity}} {{server}} ({{customer}})',
    tags: ['severity', 'server'],
  }),
  annotation({
    name: 'Planned work',
    color: colours.note,
    expr: `max by (window, title, customer, server, instance) (callward_maintenance_active{${chosenHosts}} > 0)`,
    title: 'Change {{window}}: {{title}}',
    text: '{{server}} ({{customer}})',
    tags: ['server'],
  }),
  annotation({
    name: 'Versions changed',
    color: colours.silent,
    expr: `max by (covered, customer, server, instance) (max_over_time(callward_versions_changed{${chosenHosts}}[$__rate_interval]))`,
    title: 'Versions changed on {{server}}',
    text: 'covered by a change record: {{covered}} ({{customer}})',
    tags: ['covered', 'server'],
  }),
]

const hub = macro('hub:raw')

/** Top right of every board: the other boards, and the console. */
export const headLinks: readonly LinkModel[] = [
  boardsMenu('Callward boards', tag),
  linkModel({ title: 'Console', url: `${hub}/`, newTab: true }),
]

/** Pages of the hub's console. */
export const consolePages = {
  overview: { title: 'Overview in the console', url: `${hub}/`, newTab: true },
  alerts: { title: 'Alerts in the console', url: `${hub}/alerts`, newTab: true },
  incidents: { title: 'Incidents in the console', url: `${hub}/incidents`, newTab: true },
} as const satisfies Record<string, Link>

/** Console page of the host in a table's row. */
export const rowHost: Link = {
  title: 'This host in the console',
  url: `${hub}/hosts/${macro('__data.fields.instance:percentencode')}`,
  newTab: true,
}

/** Console page of the host of a curve or a bar. */
export const seriesHost: Link = {
  title: 'This host in the console',
  url: `${hub}/hosts/${macro('__field.labels.instance:percentencode')}`,
  newTab: true,
}

/** Runbook of the alert in a table's row. */
export const rowRunbook: Link = {
  title: 'Runbook',
  url: `${hub}/runbooks/${macro('__data.fields.alertname:percentencode')}`,
  newTab: true,
}

/** Console page of the incident in a table's row. */
export const rowIncident: Link = {
  title: 'This incident in the console',
  url: `${hub}/incidents/${macro('__data.fields.incident:percentencode')}`,
  newTab: true,
}

const kept = { datasource: macro('datasource'), hub: macro('hub:percentencode') }

/** The Server board for the host in a table's row. */
export const rowServer: Link = boardLink('Server board', 'callward-server', {
  ...kept,
  ...hostOf('__data.fields'),
})

/** The Server board for the host of a curve or a bar. */
export const seriesServer: Link = boardLink('Server board', 'callward-server', {
  ...kept,
  ...hostOf('__field.labels'),
})

function hostOf(source: string): Record<string, string> {
  const names = ['customer', 'site', 'server']
  return {
    ...Object.fromEntries(names.map((name) => [name, macro(`${source}.${name}:percentencode`)])),
    role: '$__all',
  }
}

/** A board of ours with the choice made on this one. */
export function sameHosts(title: string, uid: string): Link {
  return { title, url: `/d/${uid}?${macro('__all_variables')}&${macro('__url_time_range')}` }
}

/** The Fleet overview, for one site of one customer. */
export const fleetLink = sameHosts('Fleet overview', 'callward-fleet')

/** Words for an alert's severity. */
export const severityWords = words({
  critical: ['critical', colours.bad],
  warning: ['warning', colours.attention],
  info: ['info', colours.note],
})

/** Words for an incident's severity. */
export const incidentSeverityWords = words({
  sev1: ['sev1', colours.bad],
  sev2: ['sev2', colours.bad],
  sev3: ['sev3', colours.attention],
  sev4: ['sev4', colours.note],
})

/** Words for a host's state, worst highest. */
export const hostStateWords = words({
  '0': ['ok', colours.good],
  '1': ['attention', colours.attention],
  '2': ['critical', colours.bad],
  '3': ['silent', colours.silent],
})

const painted = (names: string, color: string) =>
  forNames(names, { color: { mode: 'fixed', fixedColor: color } })

/** Curves whose names end in what became of an attempt or a limit: Grafana's first colour is green, whatever it stands for. */
export const outcomeColours = [
  painted('/ (accepted|delivered)$/', colours.good),
  painted('/ (retry|near)$/', colours.attention),
  painted('/ (refused|missed)$/', colours.bad),
]
