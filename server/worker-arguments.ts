/** Options that make Node load programs of others before ours: test runners, tracers. */
const preload = /^(--import|--loader|--experimental-loader|-r|--require)(=|$)/

/**
 * Spread into a worker's options: our threads load nothing but their own program, whatever was preloaded into the process.
 * Empty when nothing was, so that they inherit everything else.
 */
export function workerArguments(given: readonly string[] = process.execArgv): {
  execArgv?: string[]
} {
  if (!given.some((argument) => preload.test(argument))) return {}
  const execArgv = given.filter(
    (argument, i) =>
      !preload.test(argument) && !/^(--import|--loader|-r|--require)$/.test(given[i - 1] ?? ''),
  )
  return { execArgv }
}
