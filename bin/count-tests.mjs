// Counts the assertions of a TAP file: `counts: PASSED FAILED SKIPPED`, after the reason of each skip.
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'

let passed = 0
let failed = 0
const skips = []
const lines = createInterface({ input: createReadStream(process.argv[2] ?? 0) })
// A line that closes a subtest repeats what is inside it, so only leaves count: those after which no
// deeper line came.
let deeper = -1
for await (const line of lines) {
  const match = /^( *)(not )?ok \d*(.*)$/.exec(line)
  if (match === null) continue
  const depth = (match[1] ?? '').length
  const closes = deeper > depth
  deeper = depth
  if (closes) continue
  const skip = /# SKIP\b ?(.*)$/i.exec(match[3] ?? '')
  if (skip !== null)
    skips.push(
      `${(match[3] ?? '')
        .replace(/# SKIP.*/i, '')
        .replace(/^ - /, '')
        .trim()}: ${skip[1]}`,
    )
  else if (match[2] === undefined) passed += 1
  else failed += 1
}
for (const skip of skips) console.log(`skipped ${skip}`)
console.log(`counts: ${passed} ${failed} ${skips.length}`)
