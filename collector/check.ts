import type { CollectorConfig } from './config.ts'
import { readSource } from './source.ts'
import { hostSources } from './sources/all.ts'
import { inspectSpool } from './spool/inspect.ts'
import { surveys } from './surveys/all.ts'
import { runSurvey } from './surveys/run.ts'

const limitMilliseconds = 5000

/** A table of what each section sees, and whether none of them is in error. */
export async function checkSections(
  config: CollectorConfig,
  entry: string,
): Promise<{ text: string; good: boolean }> {
  const sources = hostSources(config.roots, config.sections, config.watched)
  const readings = await Promise.all(
    sources.map((source) => readSource(source, Date.now(), limitMilliseconds)),
  )
  const rows = readings.map(({ name, state, detail, metrics }) => [
    name,
    state,
    `${metrics.length} figures`,
    detail,
  ])
  for (const survey of surveys) {
    if (config.sections[survey.name] === false) continue
    const { sections, documents, metrics } = await runSurvey(entry, survey)
    const found = `${Object.keys(documents).length} documents, ${metrics.length} figures`
    for (const { name, state, detail } of sections) rows.push([name, state, found, detail])
  }
  const spool = inspectSpool(config.folder)
  rows.push(['spool', spool.state, `${spool.files} files`, spool.detail])
  const table = [['section', 'state', 'seen', 'detail'], ...rows]
  const widths = [0, 1, 2].map((column) => Math.max(...table.map((row) => row[column]!.length)))
  const lines = table.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  )
  const who = `host ${config.labels.instance}, user id ${process.getuid?.() ?? 'unknown'}`
  const text = `${who}\n\n${lines.join('\n')}\n`
  return { text, good: rows.every(([, state]) => state !== 'error') }
}
