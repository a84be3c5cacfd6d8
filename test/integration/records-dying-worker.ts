// Stands in for sqlite-worker: opens, answers one request, dies in the second.
import { parentPort } from 'node:worker_threads'

let asked = 0
parentPort?.on('message', ([{ id }]: [{ id: number }]) => {
  asked += 1
  if (asked === 2) throw new Error('the disk caught fire')
  parentPort?.postMessage({ id, rows: [{ n: 1 }] })
})
parentPort?.postMessage({ id: 0, rows: [] })
