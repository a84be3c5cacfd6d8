import { FrameError, type HostLabels, type Labels, limits } from '../../collector/wire/frames.ts'
import type { SeriesId } from '../store/writer.ts'
import type { TextFrame } from './schema.ts'

type SeriesFrame = Extract<TextFrame, { type: 'series' }>

/** Up to here the ids of a dictionary are checked against each other anew when it grows, beyond they are kept. */
const smallDictionary = 1000

/** The series of one session, in the order told: column c of its reports is series c. */
export class Dictionary {
  readonly ids: SeriesId[] = []
  #characters = 0
  #known = new Set<SeriesId>()

  /** Throws FrameError for a frame that does not follow, goes over a limit, or names a series again. */
  extend(frame: SeriesFrame, hostLabels: HostLabels, intern: (labels: Labels) => SeriesId): void {
    const { ids } = this
    const { from, series } = frame
    if (from !== ids.length)
      throw new FrameError(`series from ${from}, but the dictionary holds ${ids.length}`)
    if (from + series.length > limits.seriesPerSession)
      throw new FrameError(`more than ${limits.seriesPerSession} series in one session`)
    // Labels stay in the hub's memory for good, so none of a frame over the limit is taken.
    this.#characters += charactersOf(frame, hostLabels)
    if (this.#characters > limits.dictionaryCharacters)
      throw new FrameError(
        `more than ${limits.dictionaryCharacters} characters of names and labels in one session`,
      )
    if (this.#known.size !== from) this.#known = new Set(ids)
    for (const { name, labels } of series) {
      // The session's own labels win: a collector cannot speak for another host.
      const id = intern({ ...labels, ...hostLabels, __name__: name })
      if (this.#known.has(id))
        throw new FrameError(`series ${ids.length} is series ${ids.indexOf(id)} again: ${name}`)
      this.#known.add(id)
      ids.push(id)
    }
    if (ids.length <= smallDictionary) this.#known = new Set()
  }
}

/** Characters of a frame's names and labels, without the labels that the session sets. */
function charactersOf({ series }: SeriesFrame, hostLabels: HostLabels): number {
  let characters = 0
  for (const { name, labels } of series) {
    characters += name.length
    for (const label of Object.keys(labels))
      if (!Object.hasOwn(hostLabels, label)) characters += label.length + labels[label]!.length
  }
  return characters
}
