import type { Test } from 'tap'
import { Lane, type Place, type Row } from './crash-lane.ts'

/** Hubs that work through the points side by side. */
const laneCount = Number(process.env['CALLWARD_MATRIX_LANES'] ?? 2)
/** Far more points than there are: reaching it means that the story never ends. */
const mostPoints = 1000
/** A point that this run of the story did not have, because two commits were one, is tried again. */
const mostTries = 4
/** By so many points a story may end sooner or later than another. */
const endVaries = 3

/**
 * Points that every run must have. What runs beside the story (alerts of the hub itself) moves the numbers by one or two from
 * run to run, so that one of these may have been stepped over; the ledger's sequencer has no numbers. They are asked for by name.
 */
const all = [
  /before the commit of .*\balerts\b.*\bpages\b/,
  /after the commit of .*\balerts\b.*\bpages\b/,
  /before the commit of .*\bpage_steps page_tellings pages\b/,
  /after the commit of .*\bpage_steps page_tellings pages\b/,
  /before the commit of ledger_entries .*live_messages .*\bpage_attempts\b/,
  /after the commit of ledger_entries .*live_messages .*\bpage_attempts\b/,
  /before the send to \/admin/,
  /after the send to \/admin/,
  /before the commit of ledger_entries (ledger_epochs ledger_tiles )?(notify_log )?obligations page_attempts/,
  /after the commit of ledger_entries (ledger_epochs ledger_tiles )?(notify_log )?obligations page_attempts/,
  /before the send to \/desk/,
  /after the send to \/desk/,
  /before the commit of ledger_entries .*\bpages\b/,
  /after the commit of ledger_entries .*\bpages\b/,
  /before the commit of ledger_epochs ledger_tiles/,
  /after the commit of ledger_epochs ledger_tiles/,
]
const states = (process.env['CALLWARD_MATRIX'] ?? 'states') === 'states'
const named = all.filter(({ source }) => !states || !source.startsWith('before the commit'))

/**
 * Kills a hub at each point of the story, from the first to the last. The matrix is complete when a run of the story that
 * was to be killed at the point after the last came to its end, and every point before was reached.
 */
async function matrix(
  t: Test,
  places: readonly Place[],
): Promise<{ readonly numbered: readonly Row[]; readonly others: readonly Row[] }> {
  const lanes = places.map((place) => new Lane(place))
  await Promise.all(lanes.map((lane) => lane.start(t)))
  const rows = new Map<number, Row>()
  const tries = new Map<number, number>()
  const running = new Set<number>()
  let story = 0
  const reached = () => Math.max(0, ...rows.keys())
  const next = (): number | undefined => {
    for (let number = 1; number <= reached() + laneCount; number += 1) {
      const open = !rows.has(number) && !running.has(number)
      if (open && (tries.get(number) ?? 0) < (number <= reached() ? mostTries : 1)) return number
    }
    return undefined
  }
  await Promise.all(
    lanes.map(async (lane) => {
      for (let number = next(); number !== undefined && number < mostPoints; number = next()) {
        running.add(number)
        tries.set(number, (tries.get(number) ?? 0) + 1)
        story += 1
        const row = await lane.story(t, number, `pbx-${story}`)
        running.delete(number)
        if (row === undefined) continue
        rows.set(number, row)
        print(t, row)
      }
    }),
  )
  const numbered = [...rows.values()].sort((a, b) => a.number - b.number)
  const missing = named.filter((name) => !numbered.some(({ what }) => name.test(what)))
  const others: Row[] = []
  await Promise.all(
    lanes.map(async (lane) => {
      for (let name = missing.shift(); name !== undefined; name = missing.shift()) {
        story += 1
        const row = await lane.story(t, name, `pbx-${story}`)
        if (row === undefined) continue
        others.push(row)
        print(t, row)
      }
    }),
  )
  for (const lane of lanes)
    t.equal(await lane.ledgerFault(), undefined, 'the ledger verifies, entry by entry')
  await Promise.all(lanes.map((lane) => lane.stop()))
  return { numbered, others }
}

function print(t: Test, { number, what, repeated }: Row): void {
  t.comment(
    `${String(number).padStart(3)}  ${what}${repeated === 0 ? '' : `  (${repeated} came again)`}`,
  )
}

/** `placeOf`: where the records of each hub are. */
export async function checkMatrix(
  t: Test,
  placeOf: (lane: number) => Promise<Place>,
): Promise<void> {
  const places: Place[] = []
  for (let lane = 0; lane < laneCount; lane += 1) places.push(await placeOf(lane))
  const { numbered: rows, others } = await matrix(t, places)
  const last = rows.at(-1)?.number ?? 0
  const reached = new Set(rows.map(({ number }) => number))
  const stepped = Array.from({ length: last }, (_, i) => i + 1).filter((n) => !reached.has(n))
  // A story with a message more ends later: near its end a number that four stories did not have was behind their end.
  t.same(
    stepped.filter((number) => number < last - endVaries),
    [],
    `every point from the first to the last, number ${last}`,
  )
  if (stepped.length > 0) t.comment(`behind the end of ${mostTries} stories: ${stepped.join()}`)
  t.ok(last < mostPoints, 'the story has an end')
  const killed = [...rows, ...others]
  for (const name of named)
    t.ok(
      killed.some(({ what }) => name.test(what)),
      `killed ${name.source}`,
    )
  t.ok(
    killed.some(({ what, repeated }) => what.startsWith('after the send') && repeated > 0),
    'a send that was not recorded comes again, with its key',
  )
}

/** Of the whole matrix; one of every statement takes long. */
export const timeout = process.env['CALLWARD_MATRIX'] === 'every' ? 7_200_000 : 595_000
