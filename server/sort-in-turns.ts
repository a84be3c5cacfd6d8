/** Who works for long asks whether others are due a turn, and gives it. */
export interface Turns {
  readonly due: boolean
  take(): Promise<void>
}

/** So many texts are sorted at once. */
const runLength = 2000

/** Sorts texts by UTF-16 unit, with turns for others in between; a short list takes none. May change the given array. */
export async function sortInTurns(texts: string[], turns: Turns): Promise<string[]> {
  if (texts.length <= runLength) return texts.sort()
  let from: string[] = []
  for (let at = 0; at < texts.length; at += runLength) {
    for (const text of texts.slice(at, at + runLength).sort()) from.push(text)
    if (turns.due) await turns.take()
  }
  let to = texts
  for (let length = runLength; length < from.length; length *= 2) {
    for (let at = 0; at < from.length; at += 2 * length)
      await mergeRuns(from, to, at, length, turns)
    const merged = to
    to = from
    from = merged
  }
  return from
}

/** Merges two neighbouring sorted runs of `from` into the same places of `to`. */
async function mergeRuns(
  from: readonly string[],
  to: string[],
  start: number,
  length: number,
  turns: Turns,
): Promise<void> {
  const middle = Math.min(start + length, from.length)
  const end = Math.min(middle + length, from.length)
  let left = start
  let right = middle
  for (let at = start; at < end; at++) {
    const takeLeft = left < middle && (right === end || from[left]! <= from[right]!)
    to[at] = from[takeLeft ? left++ : right++]!
    if (turns.due) await turns.take()
  }
}
