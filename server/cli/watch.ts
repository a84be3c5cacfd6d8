import { createInterface } from 'node:readline'
import type { AlertAnswer } from './answers.ts'
import { type Call, type Command, CommandError } from './command.ts'
import type { Hub } from './hub.ts'
import { paintFor, plain } from './render.ts'
import { type FollowEvent, LiveFollower, type LiveFrame } from './watch-connection.ts'
import {
  type AlertChangeBody,
  alertLine,
  firingLine,
  hostOf,
  type IncidentChangeBody,
  incidentLine,
  incidentOf,
  type LineStyle,
  summaryOf,
} from './watch-lines.ts'
import {
  chooseNext,
  chosenAlert,
  emptyList,
  isKnown,
  listChanged,
  listLoaded,
  listRefreshed,
  type Shown,
  shownNow,
  unacknowledged,
  type WatchList,
  wasSeen,
} from './watch-list.ts'
import {
  type PageBody,
  type PrintedPage,
  pageLine,
  pagePrinted,
  pageTaken,
  waitingPages,
} from './watch-pages.ts'
import { keyScreen, plainScreen, type Screen } from './watch-screen.ts'

const keysHelp = [
  'j or down   choose the next older alert that waits for acknowledgement',
  'k or up     choose the next newer one',
  'a           acknowledge the chosen alert',
  'i           acknowledge the incident the chosen alert belongs to',
  't           take the newest page that asks for you',
  '?           this help        q   quit',
]

export const watchCommand: Command = {
  name: 'watch',
  summary: 'follow pages, alerts and incidents as they happen, and acknowledge them',
  usage: '[--json] [--no-bell]',
  help: `Prints what is firing, then every alert and incident as it happens, until it is stopped, and the pages that ask for
you. When the connection is lost it comes back by itself and catches up on what was missed.

On a terminal, keys:
${keysHelp.map((line) => `  ${line}`).join('\n')}

Otherwise it reads commands from standard input, one a line:
  ack FINGERPRINT     acknowledge an alert
  ack-incident ID     acknowledge an incident
  take NUMBER         take a page: acknowledge its alerts
  quit

  --json       one JSON object a line: the hub's frames (docs/live.md), first {"type":"firing","alerts":[…]},
               and {"type":"connection","state":"lost"|"back",…}
  --no-bell    no bell for critical alerts and pages

Examples:
  callward watch
  callward watch --json | jq -c 'select(.kind == "alert") | .body.alert.labels'
  CALLWARD_HUB=https://callward.bank.example CALLWARD_TOKEN=… callward watch`,
  options: { json: { type: 'boolean' }, 'no-bell': { type: 'boolean' } },
  positionals: [0, 0],
  run: (call) => new Watch(call).run(),
}

/** One run of `callward watch`. */
class Watch {
  readonly #call: Call
  readonly #hub: Hub
  readonly #json: boolean
  readonly #keys: boolean
  readonly #style: LineStyle
  readonly #follower: LiveFollower
  readonly #screen: Screen
  readonly #ended: Promise<number>
  #end: (code: number | CommandError) => void = () => {}
  #list: WatchList = emptyList
  #shown: Shown = { fingerprint: undefined, since: 0 }
  /** Messages that arrive while the list is being loaded wait for it. */
  #held: LiveFrame[] | undefined = []
  #connected = false
  /** Newest sequence when the hub last welcomed us. */
  #welcomedAt = 0
  #pages: readonly PrintedPage[] = []
  #refresh: NodeJS.Timeout | undefined

  constructor(call: Call) {
    const { terminal } = call
    this.#call = call
    this.#hub = call.hub()
    this.#json = call.values.json === true
    this.#keys = !this.#json && terminal.stdin.isTTY === true && terminal.stdout.isTTY === true
    this.#style = { paint: paintFor(terminal), hubUrl: this.#hub.url }
    this.#follower = new LiveFollower(this.#hub, (event) => this.#happened(event))
    this.#screen = this.#keys
      ? keyScreen(terminal, (key) => this.#pressed(key))
      : plainScreen(terminal)
    this.#ended = new Promise((resolve, reject) => {
      this.#end = (result) => (result instanceof CommandError ? reject(result) : resolve(result))
    })
  }

  async run(): Promise<number> {
    const quit = () => this.#end(0)
    process.once('SIGINT', quit)
    process.once('SIGTERM', quit)
    const lines = this.#keys ? undefined : createInterface({ input: this.#call.terminal.stdin })
    lines?.on('line', (line) => this.#commanded(line))
    this.#follower.start()
    try {
      return await this.#ended
    } finally {
      clearTimeout(this.#refresh)
      this.#follower.stop()
      lines?.close()
      this.#screen.close()
      this.#call.terminal.stdin.unref?.()
      process.off('SIGINT', quit)
      process.off('SIGTERM', quit)
    }
  }

  // What the hub says.

  #happened(event: FollowEvent): void {
    switch (event.kind) {
      case 'frame':
        this.#frame(event.frame)
        break
      case 'open':
        this.#connected = true
        if (!event.again) this.#load().catch((error: unknown) => this.#failed(error))
        break
      case 'lost':
        this.#connected = false
        this.#note({ state: 'lost', reason: event.reason }, lostLine(event.reason))
        break
      case 'back':
        this.#note({ state: 'back', missed: event.missed }, backLine(event.missed, event.afterMs))
        break
      case 'stale':
        this.#load().catch((error: unknown) => this.#notLoaded(error))
        break
      case 'over':
        this.#end(new CommandError(event.message))
    }
    this.#showStatus()
  }

  #frame(frame: LiveFrame): void {
    if (frame.type === 'message' && this.#held !== undefined) {
      this.#held.push(frame)
      return
    }
    if (frame.type === 'welcome') this.#welcomedAt = Number(frame.sequence)
    if (frame.type === 'message') this.#message(frame)
    else if (this.#json) this.#screen.print(JSON.stringify(frame))
    else if (frame.type === 'welcome') this.#screen.print(welcomeLine(frame, this.#hub.url))
    else if (frame.type === 'acknowledged')
      this.#screen.print(`recorded: ${targetText(frame)} is acknowledged`)
    else if (frame.type === 'error')
      this.#screen.print(`the hub says: ${plain(String(frame.message))}`)
  }

  #message(frame: LiveFrame): void {
    const at = String(frame.at)
    if (frame.kind === 'alert') {
      // docs/live.md gives each kind's body.
      const body = frame.body as AlertChangeBody
      const known = isKnown(this.#list, body)
      this.#list = listChanged(this.#list, body)
      if (this.#json) this.#screen.print(JSON.stringify(frame))
      else if (!known) this.#screen.print(`${this.#bell(body)}${alertLine(body, at, this.#style)}`)
    } else if (frame.kind === 'page') this.#page(frame)
    else if (frame.kind === 'incident') {
      const body = frame.body as IncidentChangeBody
      this.#screen.print(this.#json ? JSON.stringify(frame) : incidentLine(body, at, this.#style))
      // Which alerts belong to it stands in the list of alerts.
      if (body.change === 'opened' || body.change === 'joined') this.#refreshSoon()
    } else if (this.#json) this.#screen.print(JSON.stringify(frame))
    this.#showStatus()
  }

  /** Shown is a page only when its line was written. */
  #page(frame: LiveFrame): void {
    const body = frame.body as PageBody
    const line = this.#json
      ? JSON.stringify(frame)
      : `${this.#ring()}${pageLine(body, String(frame.at), this.#style)}`
    this.#screen.print(line, () => this.#follower.displayed(Number(frame.sequence)))
    this.#pages = pagePrinted(this.#pages, body, performance.now())
  }

  #bell({ change, alert }: AlertChangeBody): string {
    return change === 'firing' && alert.severity === 'critical' ? this.#ring() : ''
  }

  #ring(): string {
    return this.#keys && this.#call.values['no-bell'] !== true ? '\x07' : ''
  }

  async #firing(): Promise<AlertAnswer[]> {
    return (await this.#hub.call<{ alerts: AlertAnswer[] }>('GET', '/api/v1/alerts?state=firing'))
      .alerts
  }

  /** Loads and prints what is firing, then what arrived meanwhile. */
  async #load(): Promise<void> {
    this.#held ??= []
    const alerts = await this.#firing()
    this.#list = listLoaded(this.#list, alerts)
    if (this.#json) this.#screen.print(JSON.stringify({ type: 'firing', alerts }))
    else {
      const waiting = unacknowledged(this.#list).length
      this.#screen.print(
        alerts.length === 0
          ? 'Nothing is firing.'
          : `${alerts.length} firing, ${waiting} not acknowledged:`,
      )
      const oldestFirst = alerts.toSorted(
        (a, b) => Date.parse(a.firedAt ?? a.activeAt) - Date.parse(b.firedAt ?? b.activeAt),
      )
      for (const alert of oldestFirst) this.#screen.print(firingLine(alert, this.#style))
    }
    await this.#showWaitingPages()
    this.#release()
  }

  /** Pages that came while no screen of this person was open; those after the welcome come by the line. */
  async #showWaitingPages(): Promise<void> {
    // Those printed before need not come again.
    for (const message of await waitingPages(this.#hub, this.#welcomedAt))
      if (this.#pages.every(({ id }) => id !== message.body.page.id))
        this.#page({ ...message, type: 'message' })
  }

  #release(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const frame of held) this.#message(frame)
    this.#showStatus()
  }

  #refreshSoon(): void {
    this.#refresh ??= setTimeout(() => {
      this.#refresh = undefined
      this.#firing().then(
        (alerts) => {
          this.#list = listRefreshed(this.#list, alerts)
          this.#showStatus()
        },
        () => {
          // The messages keep the list right; only the incident's number is missing until the next one.
        },
      )
    }, 200)
  }

  #failed(error: unknown): void {
    this.#end(error instanceof CommandError ? error : new CommandError(`BUG: ${String(error)}`))
  }

  /** What arrives goes on being shown; only the list may lack what was missed. */
  #notLoaded(error: unknown): void {
    const reason = plain((error as Error).message)
    this.#note(
      { state: 'list_not_loaded', reason },
      `What is firing could not be loaded anew: ${reason}`,
    )
    this.#release()
  }

  #note(event: Record<string, unknown>, line: string): void {
    this.#screen.print(this.#json ? JSON.stringify({ type: 'connection', ...event }) : line)
  }

  // What the person says.

  #pressed(key: string): void {
    if (key === 'q' || key === 'ctrl-c' || key === 'ctrl-d') this.#end(0)
    if (key === '?') for (const line of keysHelp) this.#screen.print(`  ${line}`)
    if (key === 'j' || key === 'down') this.#list = chooseNext(this.#list, 1)
    if (key === 'k' || key === 'up') this.#list = chooseNext(this.#list, -1)
    if (key === 'a' || key === 'i') this.#acknowledgeChosen(key)
    if (key === 't') this.#takeNewest()
    this.#showStatus(true)
  }

  #acknowledgeChosen(key: 'a' | 'i'): void {
    const alert = chosenAlert(this.#list)?.alert
    if (alert === undefined) this.#screen.print('Nothing waits for acknowledgement.')
    else if (!wasSeen(this.#shown, performance.now())) {
      this.#screen.print(
        `The choice has just changed to: ${shortText(alert)}. Press ${key} again if you mean it.`,
      )
      this.#shown = { ...this.#shown, since: Number.NEGATIVE_INFINITY }
    } else if (key === 'a') this.#acknowledge({ target: 'alert', fingerprint: alert.fingerprint })
    else if (alert.incident) this.#acknowledge({ target: 'incident', id: alert.incident.id })
    else
      this.#screen.print(
        'The chosen alert belongs to no incident; press a to acknowledge the alert.',
      )
  }

  #commanded(line: string): void {
    const [word = '', key, ...more] = line.trim().split(/\s+/)
    if (word === '') return
    if (word === 'quit' && key === undefined) this.#end(0)
    else if (word === 'ack' && key !== undefined && more.length === 0) {
      this.#acknowledge({ target: 'alert', fingerprint: key })
    } else if (word === 'ack-incident' && key !== undefined && more.length === 0) {
      this.#acknowledge({ target: 'incident', id: key })
    } else if (word === 'take' && /^#?\d{1,9}$/.test(key ?? '') && more.length === 0) {
      this.#take(Number(key?.replace('#', '')))
    } else {
      const known = 'ack FINGERPRINT, ack-incident ID, take NUMBER, quit'
      this.#call.terminal.stderr.write(`"${plain(line)}" is no command. Commands: ${known}\n`)
    }
  }

  #takeNewest(): void {
    const page = this.#pages.at(-1)
    if (page === undefined) this.#screen.print('No page asks for you.')
    else if (wasSeen({ fingerprint: undefined, since: page.since }, performance.now()))
      this.#take(page.number)
    else {
      this.#screen.print(
        `A page has just come: #${page.number} ${plain(page.title)}. Press t again if you mean it.`,
      )
      this.#pages = this.#pages.with(-1, { ...page, since: Number.NEGATIVE_INFINITY })
    }
  }

  /** Takes a page by the number people say aloud. */
  #take(number: number): void {
    const name = this.#pages.find((page) => page.number === number)?.id ?? String(number)
    this.#hub.call('POST', `/api/v1/pages/${encodeURIComponent(name)}/acknowledge`, {}).then(
      () => {
        this.#pages = pageTaken(this.#pages, number)
        this.#say({ state: 'taken', number }, `recorded: page #${number} is taken`)
      },
      (error: unknown) => {
        const reason = plain((error as Error).message)
        this.#say({ state: 'not_taken', number, reason }, `page #${number} is not taken: ${reason}`)
      },
    )
  }

  #say(event: Record<string, unknown>, line: string): void {
    this.#screen.print(this.#json ? JSON.stringify({ type: 'page', ...event }) : line)
  }

  #acknowledge(target: Record<string, string>): void {
    if (this.#follower.send({ type: 'acknowledge', ...target })) return
    this.#note(
      { state: 'not_sent', ...target },
      'Not connected now, so nothing was acknowledged; try again when the connection is back.',
    )
  }

  #showStatus(byKey = false): void {
    this.#shown = shownNow(this.#shown, this.#list, performance.now(), byKey)
    const chosen = chosenAlert(this.#list)
    const lost = this.#connected ? '' : '[not connected] '
    if (chosen === undefined) {
      this.#screen.status(`${lost}nothing waits for acknowledgement`, '? help  q quit')
    } else {
      const place = `${chosen.place}/${chosen.of}`
      this.#screen.status(
        `${lost}> ${place} ${shortText(chosen.alert)}`,
        'a acknowledge  i incident  j/k choose  ? help  q quit',
      )
    }
  }
}

function shortText(alert: AlertAnswer): string {
  const parts = [
    plain(alert.severity).toUpperCase(),
    hostOf(alert),
    summaryOf(alert),
    incidentOf(alert),
  ]
  return parts.filter((part) => part !== '').join(' ')
}

function welcomeLine(frame: LiveFrame, url: string): string {
  const { version, simulated } = frame.hub as { version: string; simulated: boolean }
  const demo = simulated ? ', SIMULATED DATA' : ''
  return `${plain(String(frame.name))} (${plain(String(frame.role))}) at ${url}, hub ${plain(version)}${demo}`
}

function targetText(frame: LiveFrame): string {
  return frame.target === 'alert'
    ? `alert ${plain(String(frame.fingerprint))}`
    : `incident ${plain(String(frame.id))}`
}

function lostLine(reason: string): string {
  return `connection lost (${plain(reason)}); trying again`
}

function backLine(missed: number, afterMs: number): string {
  const caughtUp =
    missed === 1 ? '1 missed message caught up' : `${missed} missed messages caught up`
  const seconds = Math.max(1, Math.round(afterMs / 1000))
  return `connection is back after ${seconds} s, ${missed === 0 ? 'no message was missed' : caughtUp}`
}
