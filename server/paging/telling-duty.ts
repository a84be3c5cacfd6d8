import type { Millis } from '../clock.ts'
import { uuid } from '../ids.ts'
import type { Message } from '../notify/plugin.ts'
import type { Obligation, ObligationKind, Outcome } from '../obligations/plugin.ts'
import type { Recipient } from '../oncall/plugin.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import type { PageRow, PageTellingRow } from '../records/schema.ts'
import { type Duties, oweTelling, tellingKind } from './escalation-duty.ts'
import { saysMore } from './more.ts'
import { findPage } from './paging-store.ts'
import { passRefusedStep } from './refused-step.ts'
import {
  addAttempt,
  displayed,
  endTelling,
  tellingById,
  toldAnew,
  waysThatTook,
} from './telling-store.ts'
import { pageTheUnheard } from './unheard.ts'
import { newTelling, nextWay, screen, type TellingState, type Way } from './ways.ts'

/** How long a way has before the next one is tried. */
export interface TellingTimes {
  /** From the screen to the next way, when the screen has not shown it. */
  readonly displayMillis: Millis
  /** From one contact point to the next, while nobody has acknowledged. */
  readonly wayMillis: Millis
}

/** How long it is tried to say that a page is over. */
const overMillis = 3_600_000

export const defaultTellingTimes: TellingTimes = { displayMillis: 30_000, wayMillis: 60_000 }

export interface TellingOptions extends Duties {
  readonly times: TellingTimes
  /** What is said of a page, in whatever language the contact point has. */
  messageOf(page: PageRow, telling: PageTellingRow): Promise<Message>
}

/** One recipient is told by one way after the other, until a screen shows it or all ways were used. */
export class TellingDuty implements ObligationKind {
  readonly kind = tellingKind
  readonly promise =
    'whom a page names is told by one way after the other, or the reason why not is written down'
  readonly concurrency = 32
  readonly attemptMillis = 30_000
  readonly #options: TellingOptions

  constructor(options: TellingOptions) {
    this.#options = options
  }

  async perform(obligation: Obligation, signal: AbortSignal): Promise<Outcome> {
    const { records } = this.#options
    const telling = await tellingById(records.read, obligation.subject)
    if (telling === undefined || telling.state !== 'waiting') return {}
    const page = await findPage(records.read, telling.page_id)
    const state = (obligation.payload as TellingState | null) ?? newTelling
    const over = notOwedAnyMore(page, telling, state)
    if (over !== undefined) return this.#end(telling, 'over', over)
    const given = await this.#givenUp(telling, state)
    if (given !== undefined) return this.#end(telling, 'over', given)
    if (await displayed(records.read, telling.id))
      return this.#end(telling, 'told', 'shown on a screen')
    return this.#advance(page, telling, state, signal)
  }

  owed: ObligationKind['owed'] = (read) =>
    (read as Records['read'])
      .selectFrom('page_tellings')
      .select('id as subject')
      .where('state', '=', 'waiting')

  async mend(tx: RecordsTransaction, subject: string): Promise<boolean> {
    const { clock, obligations } = this.#options
    const telling = await tellingById(tx, subject)
    if (telling === undefined || telling.state !== 'waiting') return false
    const page = await findPage(tx, telling.page_id)
    const now = clock.now()
    return obligations.open(tx, {
      kind: tellingKind,
      subject,
      key: `${telling.key}/mended/${now}`,
      lane: page.lane,
      dueAt: now,
    })
  }

  /** Why all ways are not tried once more, when none took it. */
  async #givenUp(telling: PageTellingRow, { round }: TellingState): Promise<string | undefined> {
    const { records, clock } = this.#options
    if (round === 0) return undefined
    if (telling.kind === 'page')
      return (await toldAnew(records.read, telling))
        ? 'no way took it; a later step tells them again'
        : undefined
    return clock.now() - Number(telling.opened_at) > overMillis
      ? `no contact point took it within an hour`
      : undefined
  }

  #end(telling: PageTellingRow, state: 'told' | 'over', reason: string): Outcome {
    const { clock } = this.#options
    return {
      settle: async (tx) => {
        await endTelling(this.#options.ports, tx, telling, state, reason, clock.now())
        if (telling.kind === 'notice' && state === 'over')
          await pageTheUnheard(this.#options, tx, telling.page_id)
      },
    }
  }

  async #advance(
    page: PageRow,
    telling: PageTellingRow,
    state: TellingState,
    signal: AbortSignal,
  ): Promise<Outcome> {
    if (isNotice(telling.kind) && state.taken)
      return this.#end(telling, 'told', 'a contact point took it')
    const next = nextWay(await this.#waysOf(telling), state)
    switch (next.kind) {
      case 'told':
        return this.#end(telling, 'told', 'every way was used, and one at least took it')
      case 'nobody':
        return this.#end(telling, 'over', next.reason)
      case 'again':
        return this.#again(telling, state, next)
      case 'try':
        return next.way.id === screen
          ? this.#show(page, telling, next.state)
          : this.#send(page, telling, next.way, next.state, signal)
    }
  }

  /** All ways are tried once more; where a notice seems to reach nobody, a page asks meanwhile, and where a step does, the next one. */
  #again(
    telling: PageTellingRow,
    { round }: TellingState,
    { afterMillis, state }: { readonly afterMillis: Millis; readonly state: TellingState },
  ): Outcome {
    const again = { dueAt: this.#options.clock.now() + afterMillis, payload: state }
    if (round === 0) return { again }
    if (telling.kind === 'page')
      return { again, settle: (tx) => passRefusedStep(this.#options, tx, telling) }
    if (telling.kind !== 'notice') return { again }
    return { again, settle: (tx) => pageTheUnheard(this.#options, tx, telling.page_id) }
  }

  /** That it is over is said by the ways that took the page. */
  async #waysOf(telling: PageTellingRow): Promise<readonly Way[]> {
    const { ports, records } = this.#options
    const ways = await ports.waysTo(records.read, recipientOf(telling))
    // A screen shows what asks for somebody; a notice is there only where there is no other way.
    const others = ways.filter(({ id }) => id !== screen)
    if (isNotice(telling.kind)) return others.length > 0 ? others : ways
    if (telling.kind === 'page') return ways
    const took = await waysThatTook(records.read, telling)
    return ways.filter(({ id }) => took.has(id))
  }

  /** On the person's screens: queued in the transaction that records it, so that it can neither be lost nor come twice. */
  #show(page: PageRow, telling: PageTellingRow, state: TellingState): Outcome {
    const { ports, times, clock } = this.#options
    const now = clock.now()
    const watching = ports.watching(telling.recipient_id)
    return {
      again: { dueAt: watching ? now + times.displayMillis : now, payload: state },
      committed: () => ports.shown(telling.recipient_id),
      settle: async (tx) => {
        const id = uuid(now)
        await addAttempt(ports, tx, page.id, {
          ...attemptOf(telling, state, now),
          id,
          channel: screen,
          outcome: 'queued',
          reason: watching ? 'queued for an open screen' : 'no screen is open: it waits there',
        })
        const { number, title, severity } = page
        await ports.show(
          tx,
          telling.recipient_id,
          {
            page: { id: page.id, number: Number(number), title, severity },
            attempt: id,
            key: telling.key,
          },
          now,
        )
      },
    }
  }

  async #send(
    page: PageRow,
    telling: PageTellingRow,
    way: Way,
    state: TellingState,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const { ports, times, clock, messageOf } = this.#options
    const message = await messageOf(page, telling)
    const sent = await ports.send(way.id, message, `${telling.key}/${way.id}`, signal)
    const took = sent.outcome === 'accepted' || sent.outcome === 'delivered'
    const now = clock.now()
    return {
      again: {
        dueAt: took && telling.kind === 'page' ? now + times.wayMillis : now,
        payload: { ...state, taken: state.taken || took },
      },
      settle: async (tx, live) => {
        await addAttempt(ports, tx, page.id, {
          ...attemptOf(telling, state, now),
          id: uuid(now),
          channel: way.channel,
          contact_point_id: way.id,
          outcome: sent.outcome,
          reason: sent.reason,
        })
        if (!live && took && telling.kind === 'page') await this.#sayThatItIsOver(tx, telling)
      },
    }
  }

  /** The page closed while the word of it was on its way. */
  async #sayThatItIsOver(tx: RecordsTransaction, telling: PageTellingRow): Promise<void> {
    const page = await findPage(tx, telling.page_id)
    if (page.state !== 'closed') return
    const recipient = { ...recipientOf(telling), name: telling.name }
    await oweTelling(this.#options, tx, page, {
      key: this.#options.escalation.messageKey(page.id, 'resolved', recipient),
      kind: 'resolved',
      place: 'resolved',
      recipient,
    })
  }
}

/** Said once, to whoever takes it first: nobody is asked to act. */
function isNotice(kind: string): boolean {
  return kind === 'notice' || kind === 'notice-over'
}

/** Why this word is not owed any more; undefined: it is. */
function notOwedAnyMore(
  page: PageRow,
  telling: PageTellingRow,
  { taken }: TellingState,
): string | undefined {
  if (telling.kind !== 'page') return undefined
  if (page.state === 'closed') return 'the page was closed before this way was used'
  // Whoever took the page before this word was out has not seen what joined it.
  if (page.state === 'acknowledged' && (taken || !saysMore(telling)))
    return `${page.acknowledged_by ?? 'somebody'} has taken the page`
  return undefined
}

function recipientOf({ recipient_kind, recipient_id }: PageTellingRow): Recipient {
  return { kind: recipient_kind === 'contact' ? 'contact' : 'person', id: recipient_id }
}

function attemptOf(telling: PageTellingRow, state: TellingState, at: Millis) {
  return {
    telling_id: telling.id,
    round: state.round,
    contact_point_id: null,
    at,
    received_at: null,
    displayed_at: null,
  }
}
