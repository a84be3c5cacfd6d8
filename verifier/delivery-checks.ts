import type { Row } from './bundle.ts'
import type { History, Told } from './history.ts'
import { entryName } from './log-checks.ts'
import type { RowCheck } from './rows.ts'

const table = 'incident_notice_deliveries'

/** Each receiver that a notice names has its delivery, and each delivery ended as its entry says. */
export function checkDeliveries(
  rows: RowCheck,
  history: History,
  written: Told,
  entries: readonly Told[],
  notice: Row,
): void {
  const sent = entries.find(({ value }) => value.action === 'notice.sent')
  const shown = rows.by(table, 'notice_id').get(String(notice['id'])) ?? []
  if (sent === undefined) {
    for (const row of shown)
      if (history.complete)
        rows.fault(`${table}: ${String(row['id'])} is of a notice that was not sent`)
    return
  }
  const points = written.value.content['contactPoints']
  const wanted = new Set(Array.isArray(points) ? points.map(String) : [])
  for (const row of shown) {
    const what = `${table}: ${String(row['id'])}`
    const point = String(row['contact_point_id'])
    if (!wanted.delete(point))
      rows.fault(`${what} is to a receiver that ${entryName(written)} does not name, or once more`)
    const { series, version } = written.value.content
    const key = `${String(series)}/v${String(version)}/${point}`
    rows.equal(what, row, { key, notice_id: written.value.object.id }, written)
    checkDelivery(rows, history, what, sent, entries, row)
  }
  for (const point of wanted)
    rows.fault(`${table}: the receiver ${point} of ${entryName(written)} has no row`)
}

function checkDelivery(
  rows: RowCheck,
  history: History,
  what: string,
  sent: Told,
  entries: readonly Told[],
  row: Row,
): void {
  const own = entries.filter(
    ({ value }) =>
      (value.action === 'notice.delivery' && value.content['delivery'] === row['id']) ||
      (value.action === 'notice.again' && names(value.content['deliveries'], row['id'])),
  )
  const again = own.findLast(({ value }) => value.action === 'notice.again')
  if (!history.complete) {
    rows.skip('deliveries, which may have ended after the period')
    return
  }
  rows.equal(what, row, { opened_at: (again ?? sent).value.occurredAt }, again ?? sent)
  const last = own.at(-1)
  if (last?.value.action !== 'notice.delivery') {
    rows.equal(what, row, { state: 'waiting' }, last ?? sent)
    rows.flag(`${what} still waits`)
    return
  }
  const { content, occurredAt } = last.value
  rows.equal(
    what,
    row,
    {
      ...{ state: content['state'], channel: content['channel'], attempts: content['attempts'] },
      ...{ contact_point_id: content['contactPoint'], key: content['key'] },
      updated_at: occurredAt,
    },
    last,
  )
  for (const field of ['reason', 'recipient'])
    if (row[field] !== '' || Object.hasOwn(last.value.sensitive, field))
      rows.disclosed(what, field, row[field], history.text(last, field), last)
  if (content['state'] === 'refused' || content['state'] === 'given_up')
    rows.flag(`${what} did not come to its receiver: ${String(content['state'])}`)
}

function names(list: unknown, id: unknown): boolean {
  return Array.isArray(list) && list.includes(id)
}
