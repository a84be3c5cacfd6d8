/** The hosts the board's variables choose; every stored series has these labels. */
export const chosenHosts = 'customer=~"$customer",site=~"$site",role=~"$role",server=~"$server"'

/**
 * The same for alerts and incidents on boards about many hosts: one without such a label (a rule over several
 * hosts may drop it) concerns all of them and must not vanish. `.+` and a name both gain the empty text. Not as `.+|`:
 * VictoriaMetrics 1.79 takes that for `.+` and leaves out what has no such label.
 */
export const chosenOrUnlabelled =
  'customer=~"($customer)?",site=~"($site)?",role=~"($role)?",server=~"($server)?"'

/** The same as matchers of Grafana's alert list, which holds a pattern against any part of a label. */
export const alertsOfChosen = ['customer', 'site', 'role', 'server']
  .map((name) => `${name}=~"^(\${${name}:regex})?$"`)
  .join(',')

/** Labels that name one host in a table or a legend; `simulated` only exists on the demo's hosts. */
export const hostNames = 'customer, site, server, role, instance, simulated'

/** Real storage: no memory disks, no layers of containers, no read-only images. */
export const realFilesystems = 'fstype!~"tmpfs|overlay|squashfs|iso9660"'

/**
 * `count(selector)`, and 0 where nothing matches, but only while the hub knows a chosen host at all: without
 * any host the answer is absent, and the panel says so instead of showing a healthy zero.
 */
export function countOrZero(vector: string): string {
  return `count(${vector}) or 0 * count(callward_collector_up{${chosenHosts}})`
}

/**
 * Share of all CPUs' time that was not idle, by host. Divided by the time that was counted and not by the range:
 * when a server falls silent, `1 - rate(idle)` would climb to 100 % before it ends.
 */
export function cpuBusy(range: string): string {
  const time = (mode: string) =>
    `sum by (${hostNames}) (rate(node_cpu_seconds_total{${mode}${chosenHosts}}[${range}]))`
  return `1 - ${time('mode="idle",')} / ${time('')}`
}

/** The figures of hosts that report. An average over a range would go on for that long after a host fell silent. */
export function whileHeard(vector: string): string {
  return `(${vector}) and on (instance) (callward_collector_up{${chosenHosts}} == 1)`
}

/**
 * Alerts by how urgent they count, whatever word their sender uses: as `severityOf` of the alerts reads it. Anything
 * that is neither critical nor a note is a warning.
 */
export const severityIs = {
  critical: 'severity=~"(?i)critical|page|error|disaster|high"',
  warning: 'severity!~"(?i)critical|page|error|disaster|high|info|information|ticket|none"',
  info: 'severity=~"(?i)info|information|ticket|none"',
} as const
