import type { Labels } from '../../alerts/alert.ts'
import type { AlertingRule } from '../../alerts/rule.ts'
import type { TemplateSurroundings, VectorElement } from '../../alerts/state.ts'
import { asksQueries, expand, type Sample, TemplateError } from '../../alerts/template.ts'
import type { Millis } from '../clock.ts'

/** A rule's results whose texts ask for more than the result. */
export interface AskedRule {
  readonly rule: Pick<AlertingRule, 'labels' | 'annotations'>
  readonly vector: readonly VectorElement[]
  readonly templates: Pick<TemplateSurroundings, 'externalLabels' | 'externalUrl'>
  /** Rejects with a readable message. */
  readonly ask: (expr: string, at: Millis) => Promise<readonly Sample[]>
}

/** Queries one evaluation of a rule may ask for its texts. */
const queriesMax = 200
/** An answer may be part of the next question so many times. */
const roundsMax = 5

class Unanswered extends Error {}

/** Whether a rule's texts ask the store. */
export function asksStore({ labels, annotations }: Pick<AlertingRule, 'labels' | 'annotations'>) {
  return textsOf({ labels, annotations }).length > 0
}

/**
 * Answers what the texts of a rule ask for its results at `at`. What fails is shown in the text that asked; it never rejects.
 * Texts are expanded until no question is new, as a question may hold the answer of another.
 */
export async function answersTo(
  { rule, vector, templates, ask }: AskedRule,
  at: Millis,
): Promise<NonNullable<TemplateSurroundings['query']>> {
  const texts = textsOf(rule)
  const answers = new Map<string, readonly Sample[] | Error>()
  for (let round = 0; round < roundsMax; round++) {
    const asked = new Set<string>()
    const query = (expr: string) => {
      const answer = answers.get(expr)
      if (answer !== undefined) return given(answer)
      asked.add(expr)
      throw new Unanswered()
    }
    for (const { labels, value } of vector) {
      if (answers.size + asked.size >= queriesMax) break
      for (const text of texts) expandTo(text, { labels, value, ...templates, query })
    }
    if (asked.size === 0) break
    for (const expr of asked)
      answers.set(expr, await ask(expr, at).catch((error: unknown) => error as Error))
  }
  return (expr) =>
    given(answers.get(expr) ?? new Error(`more than ${queriesMax} queries in one evaluation`))
}

function given(answer: readonly Sample[] | Error): readonly Sample[] {
  if (answer instanceof Error) throw new TemplateError(`error calling query: ${answer.message}`)
  return answer
}

/** As far as answers are there. */
function expandTo(text: string, data: Parameters<typeof expand>[1]): void {
  try {
    expand(text, data)
  } catch (error) {
    if (!(error instanceof Unanswered)) throw error
  }
}

function textsOf(rule: { readonly labels: Labels; readonly annotations: Labels }): string[] {
  return [...Object.values(rule.labels), ...Object.values(rule.annotations)].filter(asksQueries)
}
