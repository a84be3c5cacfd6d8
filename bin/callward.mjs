#!/usr/bin/env node
// The `callward` command: builds if needed, then hands over to server/cli.
import { build } from './build.mjs'

try {
  await build()
} catch (error) {
  process.stderr.write(`${error.message}\n`)
  process.exit(1)
}
const { run } = await import('../dist/server/cli/main.js')
process.exitCode = await run(process.argv.slice(2))
