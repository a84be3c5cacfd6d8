import { storableText } from '../records/bindings.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type { PageRow } from '../records/schema.ts'
import { endAsk, insertAsk, openAsk, openAsksOf, openPagesOfIncident } from './ask-store.ts'
import { type Duties, oweStep } from './escalation-duty.ts'
import { ledgerOpened } from './ledgered.ts'
import { groupKeyOfIncident } from './page.ts'
import type { Pager } from './pager.ts'
import { addStep, findPage, hasOpenAlerts, insertPage, pageOf } from './paging-store.ts'

/** Something of an incident that asks for a person and that no alert stands behind: a time limit that is over. */
export interface PlainPage {
  /** What is asked for; a second word of that name is the same until it is over (`askedFor`). */
  readonly name: string
  /** It is asked on the page that this incident has open, where there is one. */
  readonly incidentId: string
  /** What people read, in one line. */
  readonly title: string
  /** Pages of one lane wait for each other. */
  readonly lane: string
  /** Labels that may name an escalation policy. */
  readonly labels: Readonly<Record<string, string>>
}

/** What `app.paging` asks where no alert does. */
export class Asks {
  readonly #duties: Duties
  readonly #pager: Pager

  constructor(duties: Duties, pager: Pager) {
    this.#duties = duties
    this.#pager = pager
  }

  /** Asks on the incident's page, of whom that names: who took it is asked again. Opens a page where there is none. */
  async ask(tx: RecordsTransaction, word: PlainPage): Promise<void> {
    const { ports, clock } = this.#duties
    if ((await openAsk(tx, word.name)) !== undefined) return
    const now = clock.now()
    const policy = await ports.policy(tx, word.labels)
    const pages = await openPagesOfIncident(tx, word.incidentId)
    // Of several receivers' pages, the one of those who are asked where there is no page.
    const same = pages.find((row) => pageOf(row).policy.policyId === policy.policyId)
    const known = same ?? pages[0]
    const title = storableText(word.title)
    const page = known ?? (await this.#open(tx, { ...word, title }, policy, now))
    const about = { page_id: page.id, name: word.name, incident_id: word.incidentId, title }
    const id = await insertAsk(tx, about, now)
    await addStep(ports, tx, page.id, now, 'asked', { ask: word.name, title })
    if (known !== undefined) await this.#pager.tellMore(tx, known, id)
  }

  /** What was asked for is over; the page that asks for nothing more is closed. */
  async askedFor(tx: RecordsTransaction, name: string, reason: string): Promise<void> {
    const { ports, clock } = this.#duties
    const ask = await openAsk(tx, name)
    if (ask === undefined) return
    const now = clock.now()
    await endAsk(tx, ask.id, now)
    await addStep(ports, tx, ask.page_id, now, 'ask over', { ask: name, reason })
    if (await hasOpenAlerts(tx, ask.page_id)) return
    if ((await openAsksOf(tx, ask.page_id)).length > 0) return
    const page = await findPage(tx, ask.page_id)
    if (page.state !== 'closed') await this.#pager.close(tx, page, now, reason)
  }

  async #open(
    tx: RecordsTransaction,
    { incidentId, title, lane }: PlainPage,
    policy: Awaited<ReturnType<Duties['ports']['policy']>>,
    now: number,
  ): Promise<PageRow> {
    const { ports, escalation } = this.#duties
    const page = await insertPage(
      tx,
      {
        ...{ groupKey: groupKeyOfIncident(incidentId), policy, title, lane: storableText(lane) },
        ...{ escalation: escalation.triggered(now), severity: 'critical' },
      },
      now,
    )
    await ledgerOpened(ports, tx, 'paging.opened', page, [])
    const { name, revision } = policy
    await addStep(ports, tx, page.id, now, 'opened', { policy: name, revision })
    await oweStep(this.#duties, tx, page, 'opened', now)
    return page
  }
}
