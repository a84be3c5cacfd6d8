import { signal } from '@preact/signals'
import { get } from './api.ts'
import type { LiveMessage, Me, ServerFrame } from './api-types.ts'
import { forgetKept } from './kept.ts'
import { numbersLost, pageSeen } from './live-pages.ts'
import { applyMessage, applyWelcome, retryDelayMs } from './live-reducer.ts'
import { loadWaitingPages, lookAtPagesSoon, pages, takePageMessage } from './live-shown.ts'
import {
  changes,
  live,
  loadAlerts,
  loadAll,
  loadApprovals,
  loadHosts,
  loadIncidents,
  me,
} from './state.ts'

const pingEveryMs = 10_000
/** A link that says nothing for this long after a ping is taken as dead. */
const silenceMs = 8_000
const hostsEveryMs = 1_000
/** Messages whose receipt is said again after the line was lost. */
const repeatedMessages = 1000

/** How the push line stands. */
export const liveStatus = signal<'connecting' | 'connected' | 'reconnecting'>('connecting')
/** Milliseconds of the last frame from the hub; null before the first. */
export const lastFrameAt = signal<number | null>(null)
/** The newest message, for announcements; its sequence tells one from the next. */
export const lastMessage = signal<LiveMessage | null>(null)

let socket: WebSocket | null = null
let wanted = false
let attempt = 0
/** Position at which this tab began; nothing up to here was received by it. */
let began: number | null = null
let retryTimer: ReturnType<typeof setTimeout> | undefined
let pingTimer: ReturnType<typeof setTimeout> | undefined
let silenceTimer: ReturnType<typeof setTimeout> | undefined
let hostsTimer: ReturnType<typeof setTimeout> | undefined

/** Connects, and stays connected until `stopLive`. Calling it again does nothing. */
export function startLive(): void {
  if (wanted) return
  wanted = true
  attempt = 0
  liveStatus.value = 'connecting'
  window.addEventListener('online', hurry)
  document.addEventListener('visibilitychange', checkNow)
  connect()
}

/** Closes the line for good: signing out. */
export function stopLive(): void {
  wanted = false
  clearTimers()
  clearTimeout(retryTimer)
  window.removeEventListener('online', hurry)
  document.removeEventListener('visibilitychange', checkNow)
  socket?.close()
  socket = null
}

function connect(): void {
  clearTimeout(retryTimer)
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws'
  const opened = new WebSocket(`${scheme}://${location.host}/live`)
  socket = opened
  opened.addEventListener('open', () => {
    armPing()
  })
  opened.addEventListener('message', (event) => {
    if (socket === opened) receive(String(event.data))
  })
  opened.addEventListener('close', () => {
    if (socket === opened) lost()
  })
}

function send(frame: unknown): void {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(frame))
}

function receive(text: string): void {
  lastFrameAt.value = Date.now()
  clearTimeout(silenceTimer)
  const frame = JSON.parse(text) as ServerFrame
  if (frame.type === 'message') takeMessage(frame)
  else if (frame.type === 'welcome') welcome(frame)
  else if (frame.type === 'hint') hint(frame.topic)
  else if (frame.type === 'pong') attempt = 0
  else if (frame.type === 'error') refused(frame.code, frame.message)
}

/** The message is on the screen's signals before anything else is done with it. */
function takeMessage(frame: LiveMessage): void {
  const before = live.peek()
  const after = applyMessage(before, frame)
  send({ type: 'received', sequence: frame.sequence })
  if (after === before) return
  live.value = after
  attempt = 0
  lastMessage.value = frame
  if (frame.kind === 'page') takePageMessage(frame)
  else if (frame.kind === 'alert') {
    changes.alerts.value++
    if (frame.body.change !== 'firing') lookAtPagesSoon()
  } else if (frame.kind === 'incident') changes.incidents.value++
  // A hole in the count means that something was pushed while nobody listened.
  if (before.sequence !== null && frame.sequence > before.sequence + 1) void loadAll()
}

function welcome(frame: Extract<ServerFrame, { type: 'welcome' }>): void {
  liveStatus.value = 'connected'
  const before = live.peek().sequence
  live.value = applyWelcome(live.peek(), frame.sequence)
  const position = live.peek().sequence ?? frame.sequence
  if (began === null || position !== before) {
    began = position
    pages.value = numbersLost(pages.peek())
  }
  // Always with a number, so that nothing falls between the welcome and the subscription.
  send({ type: 'subscribe', resume: position })
  repeatReceipts(position)
  if (me.peek() !== null && me.peek()?.name !== frame.name) void forgetKept()
  me.value = { name: frame.name, role: frame.role, hub: frame.hub }
  void loadAll()
  void loadWaitingPages()
}

/** The hub may have ended before it stored the last receipts; those it has change nothing. */
function repeatReceipts(position: number): void {
  const after = Math.max(began ?? position, position - repeatedMessages)
  if (position > after) send({ type: 'received', sequence: position, after })
  const sequences = pages.peek().displayed
  if (sequences.length > 0) send({ type: 'displayed', sequences })
}

/** The banner of a page was drawn in a tab that is seen. */
export function sayDisplayed(id: string): void {
  const [next, sequences] = pageSeen(pages.peek(), id)
  pages.value = next
  // Without a line it is said after the next welcome.
  if (sequences.length > 0) send({ type: 'displayed', sequences })
}

/** Where the hub cannot give what was missed, the present state is read anew; the line stays. */
function refused(code: string, message: string): void {
  console.warn(`The hub refused a live frame: ${code}: ${message}`)
  if (code === 'resume_ahead') {
    live.value = { ...live.peek(), sequence: null, recent: [] }
    began = null
    pages.value = numbersLost(pages.peek())
  }
  if (code === 'resume_ahead' || code === 'messages_pruned') void loadAll()
}

function hint(topic: string): void {
  if (topic === 'alerts') void loadAlerts()
  else if (topic === 'incidents') void loadIncidents()
  else if (topic === 'oncall') changes.oncall.value++
  else if (topic === 'approvals') void loadApprovals()
  else if (topic === 'hosts' && hostsTimer === undefined) {
    hostsTimer = setTimeout(() => {
      hostsTimer = undefined
      void loadHosts()
    }, hostsEveryMs)
  }
}

function lost(): void {
  socket = null
  clearTimers()
  if (!wanted) return
  liveStatus.value = 'reconnecting'
  attempt++
  // A refused upgrade looks like a broken line; /me tells a session that ended (it leads to the sign-in page).
  if (attempt % 3 === 2) void get<Me>('/api/v1/me').catch(() => {})
  retryTimer = setTimeout(connect, retryDelayMs(attempt, Math.random()))
}

function hurry(): void {
  if (socket !== null || !wanted) return
  attempt = 0
  connect()
}

function checkNow(): void {
  if (document.hidden) return
  if (socket?.readyState === WebSocket.OPEN) ping()
  else hurry()
}

function armPing(): void {
  clearTimeout(pingTimer)
  pingTimer = setTimeout(ping, pingEveryMs)
}

function ping(): void {
  send({ type: 'ping', id: Date.now() })
  clearTimeout(silenceTimer)
  const asked = socket
  silenceTimer = setTimeout(() => {
    if (asked === null || socket !== asked) return
    // A dead line may take minutes to close by itself: give it up and go on.
    asked.close()
    lost()
  }, silenceMs)
  armPing()
}

function clearTimers(): void {
  clearTimeout(pingTimer)
  clearTimeout(silenceTimer)
}
