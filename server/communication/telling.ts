import { holders, type Picture } from '../../incidents/picture.ts'
import type { Role } from '../../incidents/workflow.ts'
import type { Clock } from '../clock.ts'
import { uuid } from '../ids.ts'
import type { Language, Notify } from '../notify/plugin.ts'
import type { Obligations } from '../obligations/plugin.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type { IncidentNoticeRow } from '../records/schema.ts'
import { newDelivery } from './communication-store.ts'
import { oweDelivery } from './delivery-duty.ts'
import { textHash } from './notice.ts'
import { type StaffForm, staffWord } from './staff-words.ts'

/** A word to people who work on an incident, each in the language of the contact point. */
export interface Word {
  /** Names it for ever; a second one of the same key is the same. */
  readonly key: string
  readonly incident: { readonly id: string; readonly number: number; readonly title: string }
  readonly form: StaffForm
  /** Ids of accounts. */
  readonly people: readonly { readonly id: string; readonly name: string }[]
  readonly about: string
  readonly by?: string
  readonly url: string
}

export interface TellingParts {
  readonly clock: Clock
  readonly notify: Pick<Notify, 'contactPointsOf' | 'asSent'>
  readonly obligations: Pick<Obligations, 'open'>
}

interface Place {
  readonly id: string | null
  readonly label: string
  readonly channel: string
}

/** Owes each of the people the word by each of their contact points; whom nothing reaches is written down. */
export async function tell(parts: TellingParts, tx: RecordsTransaction, word: Word): Promise<void> {
  const now = parts.clock.now()
  for (const [language, places] of placesOf(parts, word.people)) {
    const requestKey = `${word.key}/${language}`
    if (await isTold(tx, requestKey)) continue
    const { number } = word.incident
    const said = staffWord(word.form, language, { ...word, ...word.incident, number })
    const { title, text } = parts.notify.asSent(said.title, said.text)
    const notice = noticeRow(word, { title, text, language, requestKey }, now)
    await tx.insertInto('incident_notices').values(notice).execute()
    for (const place of places) {
      const key = `${word.key}/${place.id ?? place.label}`
      const delivery = newDelivery(notice, place, key, now)
      await tx.insertInto('incident_notice_deliveries').values(delivery).execute()
      await oweDelivery(parts, tx, delivery, word.incident.id, now)
    }
  }
}

/** What was not told yet of a word is not told any more. */
export async function withdraw(
  tx: RecordsTransaction,
  key: string,
  reason: string,
  now: number,
): Promise<void> {
  const keys = (['en', 'zh', 'vi', 'ru'] satisfies Language[]).map((one) => `${key}/${one}`)
  await tx
    .updateTable('incident_notice_deliveries')
    .set({ state: 'given_up', reason, updated_at: now })
    .where('state', '=', 'waiting')
    .where('notice_id', 'in', (is) =>
      is.selectFrom('incident_notices').select('id').where('request_key', 'in', keys),
    )
    .execute()
}

/** Names of those who lead an incident or speak for it inside. */
export function leadsIn(picture: Picture): string[] {
  const roles: readonly Role[] = ['commander', 'deputy', 'internal_liaison']
  return [...new Set(roles.flatMap((role) => [...holders(picture, role)]))]
}

async function isTold(tx: RecordsTransaction, requestKey: string): Promise<boolean> {
  const row = await tx
    .selectFrom('incident_notices')
    .select('id')
    .where('request_key', '=', requestKey)
    .executeTakeFirst()
  return row !== undefined
}

function placesOf(parts: TellingParts, people: Word['people']): Map<Language, Place[]> {
  const places = new Map<Language, Place[]>()
  const add = (language: Language, place: Place) =>
    places.set(language, [...(places.get(language) ?? []), place])
  for (const { id, name } of people) {
    const points = parts.notify
      .contactPointsOf({ kind: 'person', id })
      .filter((point) => point.disabledAt === null && point.channel !== 'live')
    for (const point of points)
      add(point.language, { id: point.id, label: name, channel: point.channel })
    if (points.length === 0) add('en', { id: null, label: name, channel: 'none' })
  }
  return places
}

function noticeRow(
  word: Word,
  said: { title: string; text: string; language: Language; requestKey: string },
  now: number,
): IncidentNoticeRow {
  const id = uuid(now)
  const { title, text, language } = said
  return {
    ...{ id, incident_id: word.incident.id, series_id: id, version: 1, audience: 'staff' },
    ...{ form: word.form, language, title, text, text_hash: textHash(title, text) },
    ...{ state: 'sent', contact_points: '[]', approval_id: null, fact_id: null },
    ...{ next_update_at: null, request_key: said.requestKey, written_by: 'hub' },
    ...{ approved_by: null, written_at: now, sent_at: now, url: word.url },
  }
}
