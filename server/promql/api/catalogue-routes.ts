import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { version } from '../../assets.ts'
import { sortInTurns, type Turns } from '../../sort-in-turns.ts'
import type { ArchiveSelection } from '../../store/archive.ts'
import type { Labels } from '../../store/reader.ts'
import { type AskArchive, type Listed, olderEntries } from '../archive/lists.ts'
import { executionFailure, QueryFailure } from '../failure.ts'
import { isLabelName } from '../syntax/quote.ts'
import type { AnswerBytes } from '../workers/query-request.ts'
import { ByteText } from './byte-text.ts'
import type { ApiContext, MetricMetadata } from './context.ts'
import { envelope, errorEnvelope, remarksText } from './encode.ts'
import {
  earliest,
  first,
  labelNameOf,
  latest,
  limitParameter,
  matcherParameters,
  type Parameters,
  timeParameter,
} from './parameters.ts'
import { parametersOf, routeOptions } from './query-routes.ts'
import { reading, sendPieces } from './reading.ts'

type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>

/** A list whose entries are JSON already, cut to `limit` (0: whole), with turns for others. */
async function listText(
  entries: readonly string[],
  limit: number,
  maxBytes: number,
  turns: Turns,
  remarks: readonly string[],
): Promise<AnswerBytes> {
  const cut = limit > 0 && entries.length > limit
  const count = cut ? limit : entries.length
  const out = new ByteText(maxBytes)
  out.text('{"status":"success","data":[')
  for (let at = 0; at < count; at += 1) {
    if (at > 0) out.text(',')
    out.text(entries[at]!)
    if (turns.due) await turns.take()
  }
  const warnings = cut ? [...remarks, 'results truncated due to limit'] : remarks
  out.text(`]${remarksText({ warnings })}}`)
  return out.finish()
}

interface Selection extends ArchiveSelection {
  readonly limit: number
}

function selectionOf(parameters: Parameters): Selection {
  return {
    limit: limitParameter(parameters),
    start: timeParameter(parameters, 'start', earliest),
    end: timeParameter(parameters, 'end', latest),
    selectors: matcherParameters(parameters),
  }
}

/** Answers with the texts of the store and those of an archive. */
function answerTexts(
  context: ApiContext,
  reply: FastifyReply,
  selection: Selection,
  ask: (signal: AbortSignal) => Promise<readonly string[]>,
  askArchive: AskArchive<string>,
): Promise<FastifyReply> {
  return answerList(context, reply, selection.limit, async (signal, turns) => {
    const { entries, warnings } = await olderEntries(context, selection, signal, askArchive)
    const held = await ask(signal)
    const all =
      entries.length === 0 ? held : await sortInTurns([...new Set([...held, ...entries])], turns)
    const written: string[] = []
    for (const text of all) {
      written.push(JSON.stringify(text))
      if (turns.due) await turns.take()
    }
    return { entries: written, warnings }
  })
}

/** Answers with a list whose entries `ask` gives as JSON. */
async function answerList(
  context: ApiContext,
  reply: FastifyReply,
  limit: number,
  ask: (signal: AbortSignal, turns: Turns) => Promise<Listed<string>>,
): Promise<FastifyReply> {
  const { maxAnswerBytes } = context.bounds
  const pieces = await reading(context, reply, async (signal, turns) => {
    const { entries, warnings } = await ask(signal, turns)
    return listText(entries, limit, maxAnswerBytes, turns, warnings)
  })
  return sendPieces(reply, pieces)
}

function answerLabels(context: ApiContext): Handler {
  return async (request, reply) => {
    const selection = selectionOf(parametersOf(request))
    const { start, end, selectors } = selection
    return answerTexts(
      context,
      reply,
      selection,
      (signal) => context.reader.labelNames(selectors, start, end, { signal }),
      (archive, ...asked) => archive.labelNames(...asked),
    )
  }
}

function answerValues(context: ApiContext): Handler {
  return async (request, reply) => {
    const name = labelNameOf((request.params as { name: string }).name)
    if (!isLabelName(name)) {
      throw new QueryFailure('bad_data', `invalid label name: ${JSON.stringify(name)}`)
    }
    const selection = selectionOf(parametersOf(request))
    const { start, end, selectors } = selection
    return answerTexts(
      context,
      reply,
      selection,
      (signal) => context.reader.labelValues(name, selectors, start, end, { signal }),
      (archive, ...asked) => archive.labelValues(name, ...asked),
    )
  }
}

function sortedLabels(labels: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function answerSeries(context: ApiContext): Handler {
  const { maxSeries } = context.bounds
  return async (request, reply) => {
    const selection = selectionOf(parametersOf(request))
    const { limit, start, end, selectors } = selection
    if (selectors.length === 0) throw new QueryFailure('bad_data', 'no match[] parameter provided')
    const most = limit === 0 ? maxSeries : Math.min(limit, maxSeries)
    return answerList(context, reply, limit, async (signal, turns) => {
      const older = await olderEntries(context, selection, signal, (archive, ...asked) =>
        archive.series(...asked),
      )
      // One more than wanted shows that there are more.
      const held = await context.reader.series(selectors, start, end, { limit: most + 1, signal })
      const written = new Set<string>()
      for (const labels of [...held, ...older.entries]) {
        written.add(JSON.stringify(sortedLabels(labels)))
        if (turns.due) await turns.take()
      }
      if (written.size > most && most !== limit) {
        throw executionFailure(
          `more than ${maxSeries.toLocaleString('en-US')} series match; narrow the selector, or set a limit below that`,
        )
      }
      return { entries: await sortInTurns([...written], turns), warnings: older.warnings }
    })
  }
}

function answerMetadata({ metadata }: ApiContext): Handler {
  return async (request, reply) => {
    const parameters = parametersOf(request)
    const limit = limitParameter(parameters)
    limitParameter(parameters, 'limit_per_metric')
    const wanted = first(parameters, 'metric')
    const names = Object.keys(metadata).filter((name) => wanted === '' || name === wanted)
    const data: Record<string, readonly MetricMetadata[]> = {}
    for (const name of limit > 0 ? names.slice(0, limit) : names) {
      const found = metadata[name]
      // One entry a metric: any `limit_per_metric` leaves it.
      if (found !== undefined)
        data[name] = [{ type: found.type, help: found.help, unit: found.unit }]
    }
    return reply.type('application/json').send(envelope(JSON.stringify(data)))
  }
}

/**
 * The version of Prometheus whose API and language this is: clients choose features by it. There is
 * no `features` key: with one, Grafana takes the server for another product.
 */
const buildInformation = {
  version: '3.5.0',
  revision: `callward ${version}`,
  branch: 'HEAD',
  buildUser: 'callward',
  buildDate: '',
  goVersion: '',
}

function answerData(data: (request: FastifyRequest) => unknown): Handler {
  return async (request, reply) =>
    reply.type('application/json').send(envelope(JSON.stringify(data(request))))
}

/** Labels, series, metadata, and what else data sources ask of a Prometheus. */
export function catalogueRoutes(app: FastifyInstance, context: ApiContext): void {
  const add = (
    methods: readonly string[],
    url: string,
    summary: string,
    handler: Handler,
  ): void => {
    app.route({ method: [...methods], url, ...routeOptions(summary), handler })
  }
  const both = ['GET', 'POST']
  const get = ['GET']
  add(both, '/labels', 'Lists label names.', answerLabels(context))
  add(both, '/series', 'Lists series by selector.', answerSeries(context))
  add(get, '/label/:name/values', 'Lists the values of a label.', answerValues(context))
  add(['POST'], '/label/:name/values', 'Refused: this list is read by GET.', async (_, reply) =>
    reply
      .code(405)
      .header('allow', 'GET')
      .type('application/json')
      .send(errorEnvelope('bad_data', 'Method Not Allowed')),
  )
  add(get, '/metadata', 'Tells type, help and unit of metrics.', answerMetadata(context))
  const build = answerData(() => buildInformation)
  add(get, '/status/buildinfo', 'Tells which API this is.', build)
  const rules = answerData((request) => context.rules(parametersOf(request)))
  add(get, '/rules', 'Lists rule groups.', rules)
  add(
    get,
    '/alerts',
    'Lists active alerts.',
    answerData(() => context.alerts()),
  )
}
