import type { Certainty, Fact, FactKind, Millis } from './facts.ts'

/** Somebody's facts under the number people know. */
export interface Chapter {
  readonly incident: string
  readonly facts: readonly Fact[]
}

/** One line of the timeline. It says nothing that its evidence does not. */
export interface TimelineRow {
  readonly at: Millis
  readonly recordedAt: Millis
  readonly by: string
  readonly kind: FactKind
  readonly text: string
  readonly certainty: Certainty
  /** The ids of the facts it rests on; the first is the row's own. */
  readonly evidence: readonly string[]
  readonly incident: string
  /** Recorded so much later that memory, not observation, speaks. */
  readonly late: boolean
  /** The id of the fact that corrected it; the row stays. */
  readonly supersededBy?: string
}

/** Recorded later than this after it occurred counts as late. */
export const lateMillis = 15 * 60_000

/**
 * Every fact as a row, ordered by when it occurred, then by incident and by when it was recorded. Facts of merged incidents stand
 * among those of the one they went into, under their own number.
 */
export function timeline(chapters: readonly Chapter[]): TimelineRow[] {
  return chapters
    .flatMap((chapter, chapterIndex) =>
      rowsOf(chapter).map((row, index) => ({ row, chapterIndex, index })),
    )
    .sort((a, b) => a.row.at - b.row.at || a.chapterIndex - b.chapterIndex || a.index - b.index)
    .map(({ row }) => row)
}

function rowsOf({ incident, facts }: Chapter): TimelineRow[] {
  const supersededBy = new Map<string, string>()
  for (const { id, supersedes } of facts) if (supersedes !== null) supersededBy.set(supersedes, id)
  return facts.map((fact) => {
    const corrected = supersededBy.get(fact.id)
    return {
      at: fact.occurredAt,
      recordedAt: fact.recordedAt,
      by: fact.recordedBy,
      kind: fact.kind,
      text: fact.value.text,
      certainty: fact.certainty,
      evidence: [fact.id, ...(fact.supersedes === null ? [] : [fact.supersedes]), ...links(fact)],
      incident,
      late: fact.recordedAt - fact.occurredAt > lateMillis,
      ...(corrected === undefined ? {} : { supersededBy: corrected }),
    }
  })
}

/** What a fact itself cites. */
function links(fact: Fact): readonly string[] {
  return fact.kind === 'root_cause' ? fact.value.evidence : []
}
