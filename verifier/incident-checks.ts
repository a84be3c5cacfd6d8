import { standingOf } from '../incidents/standing.ts'
import type { Bundle, Row } from './bundle.ts'
import { canonical } from './canonical.ts'
import { checkAttachmentRows, checkErasedFact, checkTwoPeople } from './erasure-checks.ts'
import { type History, type Told, timeOfId } from './history.ts'
import { entryName } from './log-checks.ts'
import { type Check, Findings } from './report.ts'
import type { RowCheck } from './rows.ts'
import { incidentTransitions } from './states.ts'
import { illegal, wayOf } from './way.ts'

/** An incident as its entries tell it. */
interface Replayed {
  readonly id: string
  readonly number: number
  readonly states: readonly Told[]
  readonly facts: readonly Told[]
  readonly openedAt: number
}

/** Rows and their entry are written in one transaction. */
const transactionMillis = 60_000

/** (6) The entries follow the published states. */
export function checkStates(bundle: Bundle, history: History): Check {
  const found = new Findings('states')
  if (canonicalOf(bundle.states) !== canonical(incidentTransitions))
    found.fault(
      'states.json is not the table of states this verifier knows: get the one that came with the hub',
    )
  let [replayed, begun, erased] = [0, 0, 0]
  for (const [object, entries] of history.byObject) {
    if (!object.startsWith('incident:')) continue
    const states = entries.filter(({ value }) => value.action === 'incident.state')
    if (entries[0] !== states[0] || states[0]?.value.content['state'] !== 'open') {
      if (
        bundle.manifest.asked.kind === 'incident' &&
        object === `incident:${bundle.manifest.asked.id}`
      )
        found.fault(`${entryName(entries[0]!)} is the first of its incident, and does not open it`)
      else begun++
      continue
    }
    replayed++
    replayStates(found, entries, states)
    const way = wayOf(history, entries)
    if (way === undefined) erased++
    else if (!way.legal) found.fault(illegal(entries, way.illegal))
  }
  if (
    bundle.manifest.asked.kind === 'incident' &&
    !history.byObject.has(`incident:${bundle.manifest.asked.id}`)
  )
    found.fault(`no entry is about the incident ${bundle.manifest.asked.id}`)
  if (begun > 0) found.flag(`${begun} incidents began before the range: ask for them by themselves`)
  if (erased > 0) found.flag(`${erased} incidents have facts that are not shown: not replayed`)
  const decisions = checkTwoPeople(bundle, found)
  if (replayed === 0) found.notChecked('no incident began in the range')
  return found.done(
    `${replayed - erased} incidents replayed: every step lawful, every guard and second person there; ${decisions} other decisions that take two people were made by two.`,
  )
}

/** Each change of state is allowed from the one before, and its fact follows it. */
function replayStates(found: Findings, entries: readonly Told[], states: readonly Told[]): void {
  let state: string | null = null
  for (const [i, entry] of states.entries()) {
    const to = String(entry.value.content['state'])
    const ways = incidentTransitions.filter((one) => one.from === state && one.to === to)
    if (ways.length === 0) found.fault(`${entryName(entry)}: from ${state} to ${to} is not allowed`)
    const next = states[i + 1]?.index ?? Number.POSITIVE_INFINITY
    const facts = entries.filter(
      ({ index, value }) =>
        index > entry.index &&
        index < next &&
        ways.some(({ fact }) => fact === value.content['kind']),
    )
    if (ways.length > 0 && facts.length === 0)
      found.fault(`${entryName(entry)}: the fact "${ways[0]!.fact}" that belongs to it is missing`)
    if (to !== 'open' && facts[0] !== undefined && facts[0].value.actor !== entry.value.actor)
      found.fault(`${entryName(entry)}: its fact is by ${facts[0].value.actor}`)
    state = to
  }
}

/** Incidents, facts and the incidents' alerts, as rows and as entries. */
export function checkIncidentRows(bundle: Bundle, history: History, rows: RowCheck): void {
  const shown = rows.unique('incidents', 'id')
  const replays = replayedIncidents(history)
  for (const incident of replays.values()) {
    const row = shown.get(incident.id)
    if (row === undefined) {
      if (isAsked(bundle, incident))
        rows.fault(`incidents: incident ${incident.number} has entries and no row`)
      continue
    }
    checkIncident(rows, history, incident, row)
    checkAlertsOf(rows, history, incident)
  }
  for (const row of shown.values())
    if (!replays.has(String(row['id']))) unknownIncident(rows, history, row)
  checkFacts(rows, history)
  checkAttachmentRows(history, rows, history.erasures)
}

/** A period shows every incident it has the whole of. */
function isAsked({ manifest: { asked } }: Bundle, { id }: Replayed): boolean {
  return asked.kind === 'period' || asked.id === id
}

function unknownIncident(rows: RowCheck, { byObject }: History, row: Row): void {
  const told = byObject.get(`incident:${String(row['id'])}`)
  if (told === undefined)
    rows.fault(`incidents: incident ${String(row['number'])} has a row and no entry`)
  else rows.skip('incidents that began before the range')
}

function replayedIncidents({ byObject }: History): Map<string, Replayed> {
  const replays = new Map<string, Replayed>()
  for (const [object, entries] of byObject) {
    if (!object.startsWith('incident:')) continue
    const states = entries.filter(({ value }) => value.action === 'incident.state')
    const [first] = states
    if (first === undefined || first !== entries[0] || first.value.content['state'] !== 'open')
      continue
    const id = object.slice('incident:'.length)
    replays.set(id, {
      id,
      number: Number(first.value.content['number']),
      states,
      facts: entries.filter(({ value }) => value.action === 'incident.fact'),
      openedAt: first.value.occurredAt,
    })
  }
  return replays
}

function checkIncident(rows: RowCheck, history: History, incident: Replayed, row: Row): void {
  const what = `incidents: incident ${incident.number}`
  const [first] = incident.states
  const { joinKey, runbookHash } = first!.value.content
  const lasting = {
    number: incident.number,
    join_key: joinKey,
    runbook_hash: runbookHash,
    opened_at: incident.openedAt,
  }
  rows.equal(what, row, lasting, first!)
  const opening = incident.facts.find(({ value }) => value.content['kind'] === 'alert_fired')
  // A person's incident has a title of that person's words, whatever alert joins it later.
  if (opening !== undefined && openedByAlert(history, incident))
    checkTitle(rows, history, what, row, opening)
  const alert = [...(history.alertsOf.get(incident.number) ?? [])]
    .flatMap((id) => history.byObject.get(`alert:${id}`) ?? [])
    .filter(({ value }) => value.action === 'alert.fired')
    .sort((a, b) => a.index - b.index)[0]
  const labels = alert?.value.content['labels'] as Row | undefined
  if (alert === undefined) rows.skip('servers of incidents without an alert entry')
  else rows.equal(what, row, { server: labels?.['server'] ?? labels?.['instance'] ?? '' }, alert)
  checkRunbookName(rows, history, what, row, incident)
  if (!history.complete) {
    rows.skip('states, which may have changed after the period')
    return
  }
  const way = wayOf(history, history.byObject.get(`incident:${incident.id}`) ?? [])
  if (way === undefined || !way.legal) {
    // The entries of its changes still say where it stood.
    const last = incident.states.at(-1)
    if (last !== undefined) rows.equal(what, row, { state: last.value.content['state'] }, last)
    rows.skip('what follows from facts of incidents that could not be replayed')
    return
  }
  const is = standingOf(way.picture)
  const present = {
    ...{ state: is.state, workflow_state: is.workflowState, severity: is.severity },
    ...{ major: is.major ? 1 : 0, attended: is.attended ? 1 : 0 },
    acknowledged_at: is.acknowledgedAt ?? null,
    acknowledged_by: is.acknowledgedBy ?? null,
    resolved_at: is.resolvedAt ?? null,
    closed_at: is.closedAt ?? null,
  }
  rows.equal(what, row, present, incident.facts.at(-1) ?? incident.states.at(-1)!)
}

/** Whether an alert opened it, not a person or a program. */
function openedByAlert(history: History, { facts }: Replayed): boolean {
  const first = facts.find(({ value }) => value.content['kind'] === 'opened')
  // Before there was a workflow only alerts opened incidents, and no fact said so.
  if (first === undefined) return true
  const text = history.text(first, 'value')
  return text.kind === 'true' && factValue(text.text)['how'] === 'alert'
}

/** The first alert's fact ends with the title. */
function checkTitle(rows: RowCheck, history: History, what: string, row: Row, fact: Told): void {
  const text = history.text(fact, 'value')
  if (text.kind !== 'true') {
    rows.skip('titles whose fact was erased')
    return
  }
  const { rule, text: line } = factValue(text.text)
  const late = ' (recorded late: the records could not be written at the time)'
  const title = `${String(rule)} fired: ${String(row['title'])}`
  if (line !== title && line !== title + late)
    rows.fault(`${what}: title is ${JSON.stringify(row['title'])}, ${entryName(fact)} says another`)
}

function checkRunbookName(
  rows: RowCheck,
  history: History,
  what: string,
  row: Row,
  { facts }: Replayed,
): void {
  const fact = facts.find(({ value }) => value.content['kind'] === 'runbook')
  const text = fact === undefined ? undefined : history.text(fact, 'value')
  if (fact === undefined) {
    if (row['runbook_name'] !== null)
      rows.fault(`${what}: runbook_name is there, and no fact says that one was attached`)
  } else if (text?.kind === 'true')
    rows.equal(what, row, { runbook_name: factValue(text.text)['name'] }, fact)
}

function factValue(text: string): Row {
  try {
    return JSON.parse(text) as Row
  } catch {
    return {}
  }
}

/** Each fact's row is its entry's, in the order of the entries. */
function checkFacts(rows: RowCheck, history: History): void {
  const shown = rows.unique('incident_facts', 'id')
  const incidents = new Set(rows.table('incidents').map(({ id }) => String(id)))
  const known = new Set<string>()
  /** Incidents whose opening is among the entries: no fact of theirs can be older. */
  const opened = new Set<string>()
  for (const [object, entries] of history.byObject) {
    if (!object.startsWith('incident:')) continue
    // Whose own row is gone is named once; its facts are compared all the same.
    const isShown = incidents.has(object.slice(9))
    let sequence = 0
    const whole = entries[0]?.value.action === 'incident.state'
    if (whole) opened.add(object.slice(9))
    for (const entry of entries) {
      if (entry.value.action !== 'incident.fact') continue
      sequence++
      const id = String(entry.value.content['fact'])
      known.add(id)
      const row = shown.get(id)
      if (row !== undefined) checkFact(rows, history, entry, row, whole ? sequence : undefined)
      else if (isShown) rows.fault(`incident_facts: the fact of ${entryName(entry)} has no row`)
    }
  }
  for (const [id, row] of shown) {
    if (known.has(id)) continue
    if (!history.complete && Number(row['recorded_at']) > history.lastAt)
      rows.skip('facts after the period')
    else if (
      !opened.has(String(row['incident_id'])) &&
      Number(row['recorded_at']) < history.firstAt
    )
      rows.skip('facts before the period')
    else
      rows.fault(
        `incident_facts: fact ${id} (sequence ${String(row['sequence'])} of incident ${String(row['incident_id'])}) has no entry`,
      )
  }
}

function checkFact(
  rows: RowCheck,
  history: History,
  entry: Told,
  row: Row,
  sequence: number | undefined,
): void {
  const { actor, content, object, occurredAt } = entry.value
  const what = `incident_facts: fact ${String(row['id'])} (sequence ${String(row['sequence'])})`
  rows.equal(
    what,
    row,
    {
      incident_id: object.id,
      kind: content['kind'],
      certainty: content['certainty'],
      supersedes: content['supersedes'],
      occurred_at: occurredAt,
      recorded_by: actor,
      recorded_at: timeOfId(row['id']),
      ...(sequence === undefined ? {} : { sequence }),
    },
    entry,
  )
  if (checkErasedFact(rows, history, what, entry, row, history.erasures)) return
  if (row['value'] === '')
    rows.fault(`${what}: value is empty, and no entry says that it was erased`)
  rows.disclosed(what, 'value', row['value'], history.text(entry, 'value'), entry)
}

/** The alerts linked to an incident are those whose entries name it. */
function checkAlertsOf(rows: RowCheck, history: History, { id, number }: Replayed): void {
  const wanted = history.alertsOf.get(number) ?? new Set()
  const links = rows.by('incident_alerts', 'incident_id').get(id) ?? []
  const linked = new Set(links.map(({ alert_id }) => String(alert_id)))
  for (const alert of wanted)
    if (!linked.has(alert))
      rows.fault(
        `incident_alerts: alert ${alert} belongs to incident ${number} by its entries, and has no row`,
      )
  for (const row of links) {
    const alert = String(row['alert_id'])
    const [first] = (history.byObject.get(`alert:${alert}`) ?? []).filter(
      ({ value }) => value.content['incident'] === number,
    )
    if (first === undefined)
      if (history.complete)
        rows.fault(
          `incident_alerts: alert ${alert} is linked to incident ${number}, and no entry says so`,
        )
      else rows.skip('alerts that joined after the period')
    else if (Math.abs(Number(row['joined_at']) - first.value.recordedAt) > transactionMillis)
      rows.fault(
        `incident_alerts: alert ${alert}: joined_at is not the time of ${entryName(first)}`,
      )
  }
}

function canonicalOf(text: string): string | undefined {
  try {
    return canonical(JSON.parse(text))
  } catch {
    return undefined
  }
}
