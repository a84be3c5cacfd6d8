/** First parts of paths that belong to programs: a browser that asks for an unknown one gets an error, never the console. */
export const programPaths: readonly string[] = [
  ...['api', 'prom', 'am', 'influx', 'otlp', 'live', 'session'],
  ...['metrics', 'runbooks', 'healthz', 'readyz'],
]
