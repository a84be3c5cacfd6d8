import { parentPort } from 'node:worker_threads'
import { type Raster, rasterOf } from './raster.ts'

/** A picture to make; they are made in the order in which they came. */
export interface RasterTask {
  readonly svg: string
  readonly scale: number
}

export type RasterAnswer = Raster | { readonly kind: 'failed'; readonly message: string }

function answerTo({ svg, scale }: RasterTask): RasterAnswer {
  try {
    return rasterOf(svg, scale)
  } catch (error) {
    return { kind: 'failed', message: error instanceof Error ? error.message : String(error) }
  }
}

parentPort?.on('message', (task: RasterTask) => parentPort?.postMessage(answerTo(task)))
