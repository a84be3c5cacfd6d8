import t from 'tap'
import { inRequests, makeSeries } from './data.ts'
import { excluded } from './grammar.ts'
import { fill, prometheusInstalled, startHub, startPrometheus } from './peers.ts'
import { reportText, runQueries } from './run.ts'

const queries = 1500

t.test(
  'queries of a grammar are answered as by a real Prometheus',
  { timeout: 110_000 },
  async (t) => {
    if (!prometheusInstalled()) {
      const missing = 'prometheus is not installed'
      if (process.env['CALLWARD_REQUIRE_PEERS'] === '1') t.fail(missing)
      else t.pass(missing, { skip: missing })
      return
    }
    const seed = Number(process.env['CALLWARD_SEED'] ?? 1)
    t.comment(`seed ${seed}; CALLWARD_SEED=${seed} repeats the run`)
    const [ours, theirs] = [await startHub(), await startPrometheus()]
    t.teardown(async () => {
      await ours.stop()
      await theirs.stop()
    })
    const series = makeSeries(seed)
    t.ok(series.length >= 50, `${series.length} series`)
    const requests = inRequests(series)
    await fill(theirs, requests)
    await fill(ours, requests)
    const report = await runQueries({ ours, theirs }, { queries, seed })
    for (const [name, reason] of Object.entries(excluded))
      t.comment(`not asked: ${name}: ${reason}`)
    t.comment(reportText(report, seed))
    for (const { query, what } of report.differences) t.fail(`${query.text}: ${what}`)
    for (const [production, count] of report.coverage)
      if (count < 3) t.fail(`${production} is reached by ${count} queries only`)
    const share = report.outcomes.values / report.queries
    t.ok(share >= 0.8, `${(100 * share).toFixed(1)} % of the answers have values`)
    t.equal(report.queries, queries)
  },
)
