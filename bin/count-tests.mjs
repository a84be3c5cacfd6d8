// Counts the assertions of a TAP file: `counts: PASSED FAILED SKIPPED`, after the reason of each skip and,
// with --failures, nothing but each failed assertion with its test and its detail.
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'

const onlyFailures = process.argv.includes('--failures')
const file = process.argv.slice(2).find((argument) => !argument.startsWith('--'))
let passed = 0
let failed = 0
const skips = []
/** Names of the open subtests, by depth. */
const open = []
/** Lines of detail still to be printed after a failed assertion. */
let detail = 0
const lines = createInterface({
  input: file === undefined ? process.stdin : createReadStream(file),
})
// A line that closes a subtest repeats what is inside it, so only leaves count: those after which no
// deeper line came.
let deeper = -1
for await (const line of lines) {
  const subtest = /^( *)# Subtest: (.*)$/.exec(line)
  if (subtest !== null) {
    open.length = subtest[1].length / 4
    open.push(subtest[2])
  }
  const match = /^( *)(not )?ok \d*(.*)$/.exec(line)
  if (match === null) {
    if (detail > 0 && onlyFailures) console.log(line)
    detail -= 1
    continue
  }
  detail = 0
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
  else {
    failed += 1
    if (onlyFailures) console.log(`not ok ${open.slice(0, depth / 4).join(' > ')} >${match[3]}`)
    detail = 40
  }
}
if (!onlyFailures) {
  for (const skip of skips) console.log(`skipped ${skip}`)
  console.log(`counts: ${passed} ${failed} ${skips.length}`)
}
