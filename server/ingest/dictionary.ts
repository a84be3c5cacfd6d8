import { FrameError, type HostLabels, type Labels, limits } from '../../collector/wire/frames.ts'
import type { SeriesId } from '../store/writer.ts'
import type { TextFrame } from './schema.ts'

/** Up to here the ids of a dictionary are checked against each other anew when it grows, beyond they are kept. */
const smallDictionary = 1000

/** The series of one session, in the order told: column c of its reports is series c. */
export class Dictionary {
  readonly ids: SeriesId[] = []
  #known = new Set<SeriesId>()

  /** Throws FrameError for a frame that does not follow, goes over the limit, or names a series again. */
  extend(
    { from, series }: Extract<TextFrame, { type: 'series' }>,
    hostLabels: HostLabels,
    intern: (labels: Labels) => SeriesId,
  ): void {
    const { ids } = this
    if (from !== ids.length)
      throw new FrameError(`series from ${from}, but the dictionary holds ${ids.length}`)
    if (from + series.length > limits.seriesPerSession)
      throw new FrameError(`more than ${limits.seriesPerSession} series in one session`)
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
