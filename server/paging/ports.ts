import type { Millis } from '../clock.ts'
import type { Message } from '../notify/plugin.ts'
import type { PolicySnapshot, Recipient, ResolveTarget } from '../oncall/plugin.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type { Reading } from './paging-store.ts'
import type { Way } from './ways.ts'

/** What became of one attempt by a contact point. */
export interface Sent {
  readonly outcome: 'accepted' | 'delivered' | 'retry' | 'refused'
  readonly reason: string
}

/** What of a page is ledgered. */
export type PageAction =
  | 'paging.opened'
  | 'paging.notice'
  | 'paging.joined'
  | 'paging.step'
  | 'paging.attempt'
  | 'paging.told'
  | 'paging.acknowledged'
  | 'paging.closed'

/** What paging needs of the rest of the hub; the plugin wires it, tests stand in for it. */
export interface PagingPorts {
  /** The policy a new page climbs by; `named` goes before what the labels say. */
  policy(
    tx: RecordsTransaction,
    labels: Readonly<Record<string, string>>,
    named?: string,
  ): Promise<PolicySnapshot>
  /** Who stands behind each target now. */
  resolver(database: Reading, at: Millis): Promise<ResolveTarget>
  /** Names of recipients, as people read them. */
  nameOf(database: Reading, recipient: Recipient): Promise<string>
  /** Ways to a recipient, the best first; the screen first for a person. */
  waysTo(database: Reading, recipient: Recipient): Promise<readonly Way[]>
  /** Whether a screen of this person is open now. */
  watching(principalId: string): boolean
  /** Queues a message on a person's screens. */
  show(tx: RecordsTransaction, principalId: string, body: object, at: Millis): Promise<void>
  /** Wakes that person's screens, after the commit. */
  shown(principalId: string): void
  /** Writes into the ledger what happened to a page, in the same transaction. */
  ledger(
    tx: RecordsTransaction,
    action: PageAction,
    pageId: string,
    actor: string,
    occurredAt: Millis,
    content: object,
    sensitive?: Readonly<Record<string, string>>,
  ): Promise<void>
  /** A notice reached nobody, and a page asks for its critical alerts instead. */
  unheard?(from: string, page: number, alerts: number): void
  /** Sends by a contact point; never throws. */
  send(contactPointId: string, message: Message, key: string, signal: AbortSignal): Promise<Sent>
}
