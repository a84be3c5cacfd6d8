import t from 'tap'
import type { AlertSeverity, PageMessage } from '../../../server/console/web/src/api-types.ts'
import {
  noPages,
  numbersLost,
  pageAlertsKnown,
  pageArrived,
  pageGone,
  pageHidden,
  pageSeen,
  pagesShown,
} from '../../../server/console/web/src/live-pages.ts'

const asks = (
  sequence: number,
  number: number,
  severity: AlertSeverity = 'critical',
): PageMessage => ({
  sequence,
  at: '2026-11-21T22:00:30.000Z',
  kind: 'page',
  body: {
    page: { id: `page-${number}`, number, title: `Trunk ${number} lost`, severity },
    attempt: `attempt-${sequence}`,
    key: `key-${number}`,
  },
})

t.test('a page stands once, however often it comes; each of its messages has one receipt', (t) => {
  const one = pageArrived(noPages, asks(7, 1))
  t.equal(pageArrived(one, asks(7, 1)), one, 'a repeat is the same object')
  const twice = pageArrived(one, asks(9, 1))
  t.equal(pagesShown(twice).length, 1)
  const [seen, sequences] = pageSeen(twice, 'page-1')
  t.same(sequences, [7, 9])
  t.same(pageSeen(seen, 'page-1'), [seen, []], 'said once')
  t.same(pageSeen(seen, 'page-5'), [seen, []])
  t.same(seen.displayed, [7, 9], 'kept, to be said again after the line was lost')
  const gone = pageGone(seen, 'page-1')
  t.same(gone.displayed, [7, 9], 'also when somebody took it')
  t.equal(pageArrived(gone, asks(9, 1)), gone, 'a late repeat does not bring it back')
  t.equal(pageGone(gone, 'page-1'), gone)
  t.end()
})

t.test('put away in this tab until it is sent again', (t) => {
  const hidden = pageHidden(pageArrived(noPages, asks(7, 1)), 'page-1')
  t.same(pagesShown(hidden), [])
  t.equal(pagesShown(pageArrived(hidden, asks(8, 1))).length, 1)
  t.equal(pageHidden(hidden, 'page-5'), hidden)
  t.same(pageAlertsKnown(hidden, 'page-1', ['a']).asking.get('page-1')?.alertIds, ['a'])
  t.end()
})

t.test('worst first, then the newest', (t) => {
  const all = [asks(1, 1, 'warning'), asks(2, 2), asks(3, 3), asks(4, 4, 'info')]
  t.same(
    pagesShown(all.reduce(pageArrived, noPages)).map(({ number }) => number),
    [3, 2, 1, 4],
  )
  t.end()
})

t.test('a restored hub: no receipt for numbers that mean other messages, the page stays', (t) => {
  const [seen] = pageSeen(pageArrived(noPages, asks(70, 1)), 'page-1')
  const lost = numbersLost(pageArrived(seen, asks(71, 2)))
  t.same(lost.displayed, [])
  t.equal(pagesShown(lost).length, 2)
  t.same(pageSeen(lost, 'page-2')[1], [])
  t.same(pageSeen(pageArrived(lost, asks(5, 2)), 'page-2')[1], [5])
  t.end()
})

t.test('what is said again stays bounded', (t) => {
  let state = noPages
  for (let sequence = 1; sequence <= 150; sequence += 1)
    [state] = pageSeen(pageArrived(state, asks(sequence, sequence)), `page-${sequence}`)
  t.equal(state.displayed.length, 100)
  t.equal(state.displayed.at(-1), 150)
  t.end()
})
