import { computed, signal } from '@preact/signals'
import { get, onUnauthorized, post } from './api.ts'
import {
  type Alert,
  type Host,
  type IncidentDetail,
  type IncidentSummary,
  type Me,
  mayAct,
} from './api-types.ts'
import { forgetKept, getKept, lastKept } from './kept.ts'
import { applySnapshot, emptyLiveState, type LiveState, withAlert } from './live-reducer.ts'
import { navigate, route } from './router.ts'

/** The signed-in person and the hub; null before that is known. */
export const me = signal<Me | null>(null)
export const canAct = computed(() => mayAct(me.value?.role))

export const live = signal<LiveState>(emptyLiveState)
export const alerts = computed(() => [...live.value.alerts.values()])
export const openIncidents = computed(() =>
  [...live.value.incidents.values()].filter((i) => i.state !== 'resolved'),
)

/** Known hosts by instance; null before the first answer. */
export const hosts = signal<readonly Host[] | null>(null)
export const hostsByInstance = computed(
  () => new Map((hosts.value ?? []).map((host) => [host.instance, host])),
)
/** True once alerts and incidents were read. */
export const loaded = signal(false)
/** The last failure to load, until a load succeeds. */
export const loadError = signal<unknown>(null)

/** Counts hints and messages a topic, so that pages with their own lists know when to read again. */
export const changes = {
  alerts: signal(0),
  incidents: signal(0),
  hosts: signal(0),
  oncall: signal(0),
  approvals: signal(0),
}

/** How many requests wait for this very person to agree. */
export const approvalsWaiting = signal(0)

/** Milliseconds now, moving once a second while the tab is seen. */
export const now = signal(Date.now())

export const simulated = computed(
  () => me.value?.hub.simulated === true || (hosts.value ?? []).some((host) => host.simulated),
)

/** One request at a time; a wish during a request is carried out once after it. */
function single(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null = null
  let again = false
  const run = async (): Promise<void> => {
    do {
      again = false
      await work()
    } while (again)
  }
  return () => {
    if (running) {
      again = true
      return running
    }
    running = run()
      .then(() => {
        loadError.value = null
      })
      .catch((error: unknown) => {
        loadError.value = error
      })
      .finally(() => {
        running = null
      })
    return running
  }
}

export const loadHosts = single(async () => {
  hosts.value = (await get<{ hosts: Host[] }>('/api/v1/hosts')).hosts
  changes.hosts.value++
})

export const loadAlerts = single(async () => {
  const since = live.peek().sequence
  const snapshot = await get<{ alerts: Alert[] }>('/api/v1/alerts?state=firing')
  live.value = applySnapshot(live.peek(), snapshot, since)
  changes.alerts.value++
})

export const loadIncidents = single(async () => {
  const since = live.peek().sequence
  const snapshot = await get<{ incidents: IncidentSummary[] }>(
    '/api/v1/incidents?state=open&limit=200',
  )
  live.value = applySnapshot(live.peek(), snapshot, since)
  changes.incidents.value++
})

export const loadApprovals = single(async () => {
  const answer = await get<{ approvals: { mayApprove: boolean }[] }>('/api/v1/approvals?state=open')
  approvalsWaiting.value = answer.approvals.filter(({ mayApprove }) => mayApprove).length
  changes.approvals.value++
})

/** Reads everything the overview shows. */
export async function loadAll(): Promise<void> {
  await Promise.all([loadHosts(), loadAlerts(), loadIncidents(), loadApprovals()])
  if (loadError.peek() === null) loaded.value = true
}

/** Without the network: who was signed in here last. */
export async function loadMe(): Promise<void> {
  const path = '/api/v1/me'
  const last = await lastKept<Me>(path)
  const reader = await getKept<Me>(path)
  // What somebody else opened on this device is not for this reader.
  if (last !== undefined && last.name !== reader.name) await forgetKept()
  me.value = reader
}

/** Acknowledges an alert; the answer is shown at once, before its live message. */
export async function acknowledgeAlert(fingerprint: string): Promise<void> {
  const path = `/api/v1/alerts/${encodeURIComponent(fingerprint)}/acknowledge`
  const { alert } = await post<{ alert: Alert }>(path).catch((error: unknown) => {
    void loadAlerts() // most likely it is resolved by now: show what is there
    throw error
  })
  const state = live.peek()
  live.value = { ...state, alerts: withAlert(state.alerts, alert) }
  changes.alerts.value++
}

/** Puts what an action on an incident answered into the shared lists. */
export function takeIncident(incident: IncidentDetail): void {
  const { facts: _facts, alerts: _alerts, runbook: _runbook, ...summary } = incident
  const state = live.peek()
  live.value = { ...state, incidents: new Map(state.incidents).set(incident.id, summary) }
  changes.incidents.value++
}

/** Starts the second hand and the way back to the sign-in page. */
export function startState(): void {
  setInterval(() => {
    if (!document.hidden) now.value = Date.now()
  }, 1000)
  document.addEventListener('visibilitychange', () => {
    now.value = Date.now()
  })
  onUnauthorized.handle = () => {
    me.value = null
    void forgetKept()
    if (route.peek()?.page === 'sign-in' || route.peek()?.page === 'welcome') return
    const back = location.pathname + location.search
    navigate(back === '/' ? '/sign-in' : `/sign-in?return=${encodeURIComponent(back)}`, 'replace')
  }
}
