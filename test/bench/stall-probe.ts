import { subscribe } from 'node:diagnostics_channel'
import { writeFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'

/**
 * Loaded into a collector before its own code (`--import`): how long its event loop was held and how many child processes it
 * started, from `CALLWARD_PROBE_AFTER` milliseconds after the start until it ends, written to the file `CALLWARD_PROBE`.
 */
const resolutionMillis = 1
const delay = monitorEventLoopDelay({ resolution: resolutionMillis })
let children = 0
setTimeout(() => {
  delay.enable()
  subscribe('child_process', () => {
    children++
  })
}, Number(process.env['CALLWARD_PROBE_AFTER'])).unref()
process.once('exit', () => {
  const longestMillis = Math.max(0, delay.max / 1e6 - resolutionMillis)
  writeFileSync(String(process.env['CALLWARD_PROBE']), JSON.stringify({ longestMillis, children }))
})
