import { showInstant } from '../../incidents/document-text.ts'
import type { NewFact } from '../../incidents/facts.ts'
import type { Approval, Approvals } from '../approvals/plugin.ts'
import { type Clock, type Millis, rfc3339 } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import { uuid } from '../ids.ts'
import type { Incidents } from '../incidents/plugin.ts'
import type { Ledger } from '../ledger/plugin.ts'
import type { ContactPoint, Language, Notify } from '../notify/plugin.ts'
import type { Obligations } from '../obligations/plugin.ts'
import type { Principal } from '../people/plugin.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import type { IncidentNoticeRow } from '../records/schema.ts'
import {
  countNotices,
  newDelivery,
  newestFact,
  noticeById,
  noticeByKey,
} from './communication-store.ts'
import { oweDelivery } from './delivery-duty.ts'
import { type Audience, type Form, formFault, noticeLimits, scopeOf, textHash } from './notice.ts'
import { correctionOf, shippedText, templateNames, titleText } from './notice-texts.ts'
import type { UpdateRhythms } from './rhythm.ts'

export const approvalKind = 'incident-notice'

/** What somebody wants to say. */
export interface NoticeRequest {
  readonly audience: Audience
  readonly form: Form
  readonly language: Language
  readonly title?: string | undefined
  readonly text?: string | undefined
  /** Ids or labels. */
  readonly contactPoints?: readonly string[] | undefined
  /** Id of a notice that this one corrects: its next version. */
  readonly corrects?: string | undefined
  readonly key?: string | undefined
}

/** What would be said, and to whom. */
export interface Draft {
  readonly title: string
  readonly text: string
  /** Known fields of the template that nobody has written down. */
  readonly missing: readonly string[]
  readonly faults: readonly string[]
  readonly nextUpdateAt: Millis | undefined
  readonly contactPoints: readonly ContactPoint[]
}

export interface NoticeParts {
  readonly records: Records
  readonly clock: Clock
  readonly ledger: Ledger
  readonly incidents: Pick<Incidents, 'picture' | 'write' | 'committed'>
  readonly notify: Pick<Notify, 'text' | 'asSent' | 'contactPointNamed'>
  readonly approvals: Pick<Approvals, 'request'>
  readonly obligations: Pick<Obligations, 'open'>
  readonly rhythms: UpdateRhythms
  /** Where a notice goes that names no contact point. */
  readonly usual: Readonly<Record<Audience, readonly string[]>>
  readonly timeZone: string
}

/** Notices to others: drafted from the facts, edited by a person, approved where customers read them, sent. */
export class Notices {
  readonly #parts: NoticeParts

  constructor(parts: NoticeParts) {
    this.#parts = parts
  }

  /** What a notice would say now. Throws not_found, conflict, unprocessable. */
  async draft(incident: string, request: NoticeRequest): Promise<Draft> {
    const { incidents, notify, clock, rhythms, timeZone, records } = this.#parts
    const { audience, form, language } = request
    const { row, picture } = await incidents.picture(incident)
    const old = await corrected(records.read, incident, request)
    const fault = formFault(picture.state, form)
    // What was said then is put right whatever the state is now.
    if (fault !== undefined && old === undefined)
      throw new CallwardError('conflict', `Nothing is said: ${fault}.`)
    const goesOn = fault === undefined && (form === 'opening' || form === 'update')
    const nextUpdateAt = goesOn ? rhythms(row.severity)?.after(clock.now()) : undefined
    const { scope, missing } = scopeOf({
      ...{ picture, form, language, timeZone, nextUpdateAt },
      ...{ number: Number(row.number), title: row.title, severity: row.severity },
    })
    const shipped = shippedText(audience, form)
    const made = notify.text({ names: templateNames(audience, form, language), shipped, scope })
    const line = notify.text({ names: [], shipped: titleText(audience), scope })
    const said = old && correctionOf(old, showInstant(Number(old.sent_at), timeZone), language)
    const title = request.title ?? fit(said?.title ?? line.text, noticeLimits.titleCharacters)
    const text = request.text ?? fit(said?.text ?? made.text, noticeLimits.textCharacters)
    return {
      ...this.#asSent(title, text),
      ...{ missing, faults: made.faults, nextUpdateAt },
      contactPoints: this.#points(request, old),
    }
  }

  /**
   * Sends a notice, or asks for the second person where customers read it; twice with one key is once. Gives its id. Throws
   * not_found, conflict, unprocessable, forbidden.
   */
  async send(incident: string, by: Principal, request: NoticeRequest): Promise<string> {
    const { records, incidents } = this.#parts
    const done =
      request.key === undefined ? undefined : await noticeByKey(records.read, request.key)
    if (done !== undefined) return done.id
    const draft = await this.draft(incident, request)
    if (draft.contactPoints.length === 0)
      throw new CallwardError(
        'unprocessable',
        `contactPoints: name at least one; none is set for ${request.audience} (communication.contactPoints in the configuration).`,
      )
    const id = await records.write((tx) => this.#written(tx, incident, by, request, draft))
    incidents.committed()
    return id
  }

  /** Sends what a second person agreed to, in the transaction of the approval. Throws conflict when it was changed meanwhile. */
  async approved(tx: RecordsTransaction, approval: Approval): Promise<void> {
    const { notice, textHash: hash } = approval.content as { notice: string; textHash: string }
    const row = await noticeById(tx, notice)
    if (row?.state !== 'waiting' || row.text_hash !== hash || row.approval_id !== approval.id)
      throw new CallwardError('conflict', 'The notice is not the one that was asked for.')
    await this.#issue(tx, row, await deciderOf(tx, approval.id))
  }

  async #written(
    tx: RecordsTransaction,
    incident: string,
    by: Principal,
    request: NoticeRequest,
    draft: Draft,
  ): Promise<string> {
    const { clock } = this.#parts
    if (request.key !== undefined) {
      const done = await noticeByKey(tx, request.key)
      if (done !== undefined) return done.id
    }
    if ((await countNotices(tx, incident)) >= noticeLimits.noticesOfIncident)
      throw new CallwardError(
        'unprocessable',
        `The incident has ${noticeLimits.noticesOfIncident} notices, which is the limit.`,
      )
    const row = await this.#row(tx, incident, by, request, draft)
    await tx.insertInto('incident_notices').values(row).execute()
    await this.#note(
      tx,
      'notice.written',
      row,
      { by: by.name, at: row.written_at },
      {
        ...{ contactPoints: JSON.parse(row.contact_points) as unknown },
      },
    )
    if (request.audience !== 'customers') {
      await this.#issue(tx, row, null)
      return row.id
    }
    const names = draft.contactPoints.map(({ label }) => label)
    const { title, text, language, text_hash, id } = row
    const approval = await this.#parts.approvals.request(tx, {
      kind: approvalKind,
      subject: `${title.slice(0, 200)} [${id}]`,
      content: {
        ...{ notice: id, incident, audience: row.audience, form: row.form, language },
        ...{ title, text, textHash: text_hash, contactPoints: names },
        writtenAt: rfc3339(clock.now()),
      },
      by,
    })
    await tx
      .updateTable('incident_notices')
      .set({ approval_id: approval.id })
      .where('id', '=', id)
      .execute()
    return id
  }

  async #row(
    tx: RecordsTransaction,
    incident: string,
    by: Principal,
    request: NoticeRequest,
    { title, text, nextUpdateAt, contactPoints }: Draft,
  ): Promise<IncidentNoticeRow> {
    const now = this.#parts.clock.now()
    const id = uuid(now)
    const { audience, form, language, key } = request
    return {
      ...{ id, incident_id: incident, audience, form, language, title, text },
      ...(await version(tx, incident, id, request)),
      ...{ text_hash: textHash(title, text), state: 'waiting', approval_id: null, fact_id: null },
      contact_points: JSON.stringify(contactPoints.map((point) => point.id)),
      ...{ next_update_at: nextUpdateAt ?? null, request_key: key ?? null, written_by: by.name },
      ...{ approved_by: null, written_at: now, sent_at: null, url: null },
    }
  }

  /** The fact, and what is owed to each receiver. */
  async #issue(
    tx: RecordsTransaction,
    row: IncidentNoticeRow,
    approvedBy: string | null,
  ): Promise<void> {
    const { incidents, clock } = this.#parts
    const now = clock.now()
    await incidents.write(tx, row.incident_id, [await noticeFact(tx, row, approvedBy, now)])
    const fact_id = await newestFact(tx, row.incident_id, 'notice')
    await tx
      .updateTable('incident_notices')
      .set({ state: 'sent', fact_id, approved_by: approvedBy, sent_at: now })
      .where('id', '=', row.id)
      .execute()
    for (const id of JSON.parse(row.contact_points) as string[]) {
      const point = this.#parts.notify.contactPointNamed(id)
      const place = { id, label: point?.label ?? id, channel: point?.channel ?? 'unknown' }
      const delivery = newDelivery(row, place, `${row.series_id}/v${row.version}/${id}`, now)
      await tx.insertInto('incident_notice_deliveries').values(delivery).execute()
      await oweDelivery(this.#parts, tx, delivery, row.incident_id, now)
    }
    const when = { by: row.written_by, at: now }
    await this.#note(tx, 'notice.sent', row, when, { fact: fact_id, approvedBy })
  }

  async #note(
    tx: RecordsTransaction,
    action: 'notice.written' | 'notice.sent',
    row: IncidentNoticeRow,
    { by: actor, at: occurredAt }: { readonly by: string; readonly at: Millis },
    more: object,
  ): Promise<void> {
    const { incident_id: incident, audience, form, language, version, series_id, text_hash } = row
    const content = { incident, audience, form, language, version: Number(version) }
    await this.#parts.ledger.append(tx, {
      action,
      object: { type: 'notice', id: row.id },
      ...{ actor, occurredAt },
      content: { ...content, series: series_id, textHash: text_hash, ...more },
    })
  }

  /** What arrives is what was written: nothing is cut or cleaned away behind the author's back. Throws unprocessable. */
  #asSent(title: string, text: string): { title: string; text: string } {
    const sent = this.#parts.notify.asSent(title, text)
    for (const [name, most, given] of [
      ['title', noticeLimits.titleCharacters, title],
      ['text', noticeLimits.textCharacters, text],
    ] as const)
      if ([...given].length > most)
        throw new CallwardError('unprocessable', `${name}: shorten it to ${most} characters.`)
    if (sent.title === '' || sent.text === '')
      throw new CallwardError('unprocessable', 'title and text: write something that can be read.')
    return sent
  }

  /** Those that are named, each once; a correction goes to whom the notice went. Throws unprocessable. */
  #points(
    { audience, contactPoints }: NoticeRequest,
    old: IncidentNoticeRow | undefined,
  ): ContactPoint[] {
    const points = new Map<string, ContactPoint>()
    const before = old && (JSON.parse(old.contact_points) as string[])
    for (const name of contactPoints ?? before ?? this.#parts.usual[audience]) {
      const point = this.#parts.notify.contactPointNamed(name)
      if (point === undefined || point.channel === 'live')
        throw new CallwardError(
          'unprocessable',
          `contactPoints: there is no contact point "${name.slice(0, 80)}"; GET /api/v1/contact-points lists them.`,
        )
      if (point.disabledAt !== null)
        throw new CallwardError(
          'unprocessable',
          `contactPoints: "${point.label}" is disabled; enable it, or name another.`,
        )
      points.set(point.id, point)
    }
    return [...points.values()]
  }
}

/** Who agreed, as this transaction has it. */
async function deciderOf(tx: RecordsTransaction, approvalId: string): Promise<string> {
  const { name } = await tx
    .selectFrom('approvals')
    .innerJoin('principals', 'principals.id', 'approvals.decided_by')
    .select('principals.name')
    .where('approvals.id', '=', approvalId)
    .executeTakeFirstOrThrow()
  return name
}

async function noticeFact(
  tx: RecordsTransaction,
  row: IncidentNoticeRow,
  approvedBy: string | null,
  now: Millis,
): Promise<NewFact> {
  const before = await earlier(tx, row)
  return {
    kind: 'notice',
    value: {
      text: `${row.title}\n\n${row.text}`,
      // Checked when the notice was written.
      audience: row.audience as Audience,
      form: row.form as Form,
      ...(approvedBy === null ? {} : { approvedBy }),
      ...(row.next_update_at === null ? {} : { nextUpdateAt: Number(row.next_update_at) }),
    },
    ...{ certainty: 'actual', occurredAt: now, recordedBy: row.written_by, supersedes: before },
  }
}

/** The fact of the newest version that was sent before this one. */
async function earlier(tx: RecordsTransaction, row: IncidentNoticeRow): Promise<string | null> {
  const found = await tx
    .selectFrom('incident_notices')
    .select('fact_id')
    .where('series_id', '=', row.series_id)
    .where('fact_id', 'is not', null)
    .orderBy('version', 'desc')
    .limit(1)
    .executeTakeFirst()
  return found?.fact_id ?? null
}

/** The notice that is to be corrected; undefined when none is. Throws unprocessable. */
async function corrected(
  database: Parameters<typeof noticeById>[0],
  incident: string,
  { corrects, audience, form }: NoticeRequest,
): Promise<IncidentNoticeRow | undefined> {
  if (corrects === undefined) return undefined
  const old = await noticeById(database, corrects)
  if (
    old?.incident_id !== incident ||
    old.state !== 'sent' ||
    old.audience !== audience ||
    old.form !== form
  )
    throw new CallwardError(
      'unprocessable',
      'corrects: name a notice of this incident that was sent, to the same audience and of the same form.',
    )
  return old
}

async function version(
  tx: RecordsTransaction,
  incident: string,
  id: string,
  request: NoticeRequest,
): Promise<{ series_id: string; version: number }> {
  const old = await corrected(tx, incident, request)
  if (old === undefined) return { series_id: id, version: 1 }
  const newest = await tx
    .selectFrom('incident_notices')
    .select('version')
    .where('series_id', '=', old.series_id)
    .orderBy('version', 'desc')
    .limit(1)
    .executeTakeFirstOrThrow()
  return { series_id: old.series_id, version: Number(newest.version) + 1 }
}

function fit(text: string, most: number): string {
  const characters = [...text]
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join('')}…`
}
