interface Asked<Question, Answer> {
  readonly question: Question
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: unknown) => void
}

/** Questions that are answered together. */
const atOnce = 200

/**
 * Gathers what is asked within one turn of the event loop and has it answered in one go: hundreds of collectors may come back at
 * once. When that fails each is asked alone, so that a bad one fails nobody else.
 */
export class Gathered<Question, Answer> {
  readonly #answer: (questions: readonly Question[]) => Promise<readonly Answer[]>
  #asked: Asked<Question, Answer>[] = []

  /** `answer` gives the answers in the order of the questions. */
  constructor(answer: (questions: readonly Question[]) => Promise<readonly Answer[]>) {
    this.#answer = answer
  }

  ask(question: Question): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#asked.push({ question, resolve, reject }) === 1) setImmediate(() => this.#flush())
    })
  }

  #flush(): void {
    const asked = this.#asked
    this.#asked = []
    for (let from = 0; from < asked.length; from += atOnce)
      void this.#answerAll(asked.slice(from, from + atOnce))
  }

  async #answerAll(asked: readonly Asked<Question, Answer>[]): Promise<void> {
    try {
      const answers = await this.#answer(asked.map(({ question }) => question))
      for (const [index, { resolve }] of asked.entries()) resolve(answers[index] as Answer)
    } catch (error) {
      if (asked.length === 1) asked[0]!.reject(error)
      else for (const one of asked) void this.#answerAll([one])
    }
  }
}
