import { type Archive, ArchiveAway, type ArchiveSeries } from '../../store/archive.ts'
import type { Series, Statistics, Value } from '../answer.ts'
import type { Gate } from '../api/gate.ts'
import { checkRange, checkRangeType } from '../engine.ts'
import { resolve } from '../eval/plan.ts'
import { type Expr, typeOf } from '../syntax/ast.ts'
import { printExpr } from '../syntax/print.ts'
import { matrixOf } from '../workers/history.ts'
import type { QueryDesk, QueryDeskOptions } from '../workers/query-desk.ts'
import { type AnswerBytes, type QueryRequest, writeAnswer } from '../workers/query-request.ts'
import { answered, mostArchiveBytes, onlyHere } from './asking.ts'
import { keepsName, withSubquerySteps } from './dialect.ts'
import { firstHeld, newestRead, reachOf } from './reach.ts'
import { stitch, withoutNames } from './stitch.ts'

export interface ArchiveDeskOptions {
  readonly archive: Archive
  /** Answers what the store holds. */
  readonly desk: Pick<QueryDesk, 'answer'>
  readonly gate: Gate
  readonly parse: (text: string) => Expr
  readonly lookbackMilliseconds: number
  readonly subqueryStepMilliseconds: number
  readonly maxPoints: number
  readonly onAnswered: QueryDeskOptions['onAnswered']
}

type Request = Omit<QueryRequest, 'queueSeconds'>

/** What a query reads of an archive, and from when on the store answers it. */
interface Split {
  readonly expr: Expr
  /** Infinity: the archive answers all of it. */
  readonly heldFrom: number
}

/**
 * Queries of the HTTP API where an archive holds what the store no longer does. Times for which the store has all that the expression
 * reads are answered by the store, so that they need no archive; the times before them by the archive, which is asked with the text that
 * the hub's own parser understood. No query of the hub's own rules comes here.
 */
export class ArchiveDesk {
  private readonly options: ArchiveDeskOptions

  constructor(options: ArchiveDeskOptions) {
    this.options = options
  }

  /** Throws `QueryFailure` and what an `Archive` throws. */
  async answer(request: Request, signal: AbortSignal): Promise<AnswerBytes> {
    const { desk } = this.options
    const split = this.splitOf(request)
    if (split.heldFrom === request.start) return desk.answer(request, signal)
    try {
      return await this.both(request, split, signal)
    } catch (cause) {
      if (!(cause instanceof ArchiveAway)) throw cause
      if (!this.isKept(request, split)) throw this.away(cause)
      return desk.answer(
        { ...request, warnings: [onlyHere(cause, this.options.archive.heldFrom())] },
        signal,
      )
    }
  }

  private async both(request: Request, split: Split, signal: AbortSignal): Promise<AnswerBytes> {
    const { gate, onAnswered } = this.options
    const asked = performance.now()
    const older = await gate.run(signal, () => this.older(request, split, signal))
    const queueSeconds = 0
    const value =
      request.kind === 'instant'
        ? instantValue(older, split.expr, request.start)
        : ({ kind: 'matrix', series: await this.withNewer(older, request, split, signal) } as const)
    const written = await writeAnswer(
      {
        value,
        ...this.remarks(request, split),
        statistics: statisticsOf((performance.now() - asked) / 1000),
      },
      { ...request, queueSeconds },
      { signal },
      asked,
    )
    onAnswered(request.kind, 'archive', (performance.now() - asked) / 1000)
    return written
  }

  private splitOf({ kind, text, start, end, step }: Request): Split {
    const { archive, parse, lookbackMilliseconds, maxPoints } = this.options
    const parsed = parse(text)
    if (kind === 'range') {
      checkRange(maxPoints, start, end, step)
      checkRangeType(parsed)
    }
    const grid = { start, end, step }
    const expr = resolve(parsed, grid)
    return {
      expr,
      heldFrom: firstHeld(reachOf(expr, lookbackMilliseconds), grid, archive.heldFrom()),
    }
  }

  /** What the archive answers for the times before `heldFrom`. */
  private async older(
    { start, end, step, maxBytes, timeoutMilliseconds, lookbackMilliseconds }: Request,
    { expr, heldFrom }: Split,
    signal: AbortSignal,
  ): Promise<readonly ArchiveSeries[]> {
    const { archive, subqueryStepMilliseconds } = this.options
    const lookback = lookbackMilliseconds ?? this.options.lookbackMilliseconds
    const last = start + Math.floor((end - start) / (step || 1)) * (step || 1)
    const question = {
      text: printExpr(withSubquerySteps(expr, subqueryStepMilliseconds)),
      start,
      end: Math.min(last, heldFrom - step),
      step,
      lookbackMilliseconds: lookback,
    }
    const limits = { timeoutMilliseconds, maxBytes: Math.min(maxBytes, mostArchiveBytes), signal }
    const series = await answered(archive.query(question, limits))
    return keepsName(expr) ? series : withoutNames(series)
  }

  /** Whether all that is read came, if at all, while the store keeps what it is given: a hub younger than its retention. */
  private isKept({ start, end, step }: Request, { expr }: Split): boolean {
    const reach = reachOf(expr, this.options.lookbackMilliseconds)
    return firstHeld(reach, { start, end, step }, this.options.archive.keptFrom()) === start
  }

  /** Says what can be asked meanwhile. */
  private away({ message }: ArchiveAway): ArchiveAway {
    const held = new Date(this.options.archive.heldFrom()).toISOString()
    return new ArchiveAway(
      `${message}. The query reads what is older than the hub's own store; ask for times after ${held}, which the hub answers by itself, or try again when it is back.`,
    )
  }

  /** Says who computed, and what cannot be in it yet. */
  private remarks({ end, step }: Request, { expr, heldFrom }: Split) {
    const { name, heldTo } = this.options.archive
    const to = heldTo()
    const isWhole = newestRead(expr, Math.min(end, heldFrom - step)) <= to
    const until = new Date(to).toISOString()
    return {
      infos: [
        `Older values are computed by ${name}; ranges over gaps and resets differ a little there.`,
      ],
      warnings: isWhole
        ? []
        : [
            `${name} computes what goes back beyond the hub's own store, and is known to hold samples up to ${until}: newer ones may be missing in it.`,
          ],
    }
  }

  private async withNewer(
    older: readonly Series[],
    request: Request,
    { expr, heldFrom }: Split,
    signal: AbortSignal,
  ): Promise<readonly Series[]> {
    if (heldFrom === Number.POSITIVE_INFINITY) return stitch(older, [])
    const bytes = await this.options.desk.answer(
      {
        ...request,
        // Resolved: `@ start()` means the start that was asked for.
        text: printExpr(expr),
        start: heldFrom,
        limit: 0,
        statistics: 'none',
        maxBytes: Math.min(request.maxBytes, mostArchiveBytes),
      },
      signal,
    )
    return stitch(older, matrixOf(bytes))
  }
}

function instantValue(found: readonly ArchiveSeries[], expr: Expr, time: number): Value {
  const type = typeOf(expr)
  if (type === 'matrix') return { kind: 'matrix', series: stitch(found, []) }
  if (type === 'scalar') return { kind: 'scalar', time, value: found[0]?.values[0] ?? Number.NaN }
  const samples = found.flatMap(({ labels, values: [value] }) =>
    value === undefined ? [] : [{ labels, time, value }],
  )
  return { kind: 'vector', samples }
}

/** An archive tells nothing of what a query cost it. */
function statisticsOf(evaluationSeconds: number): Statistics {
  return {
    totalQueryableSamples: 0,
    samplesPerStep: undefined,
    peakSamples: 0,
    preparationSeconds: 0,
    evaluationSeconds,
    sortSeconds: 0,
  }
}
