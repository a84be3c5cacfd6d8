import { type Report, shown } from './report.ts'
import { type Language, words } from './words.ts'

const flagsShown = 20

/** The report as lines for a terminal: the verdict last, where it is seen. */
export function reportLines(report: Report, language: Language = 'en'): string[] {
  const say = words[language]
  const lines = [
    `${say.log}: ${report.origin}`,
    `${say.asked}: ${report.asked}, ${say.made} ${report.madeAt}`,
  ]
  for (const check of report.checks) {
    lines.push(`${say.marks[check.state].padEnd(12)} ${say.checks[check.id]}. ${shown(check.said)}`)
    for (const fault of check.faults) lines.push(`    ! ${fault}`)
    for (const flag of check.flags.slice(0, flagsShown)) lines.push(`    - ${flag}`)
    const more = check.unnamed + Math.max(0, check.flags.length - flagsShown)
    if (more > 0) lines.push(`    - ${say.more(more)}`)
  }
  lines.push(`${say.checkpoint}: ${report.size}, ${report.root}`, verdictLine(report, language))
  return lines
}

/** The last word, with what was not checked counted in. */
export function verdictLine({ verdict, checks }: Report, language: Language): string {
  const say = words[language]
  const count = (state: string) => checks.filter((check) => check.state === state).length
  const numbers = say.counts(count('passed'), count('failed'), count('not checked'))
  return `${say.verdict[verdict]} ${numbers}`
}
