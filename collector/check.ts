import type { CollectorConfig } from './config.ts'
import { readInventory } from './inventory.ts'
import { readSource } from './source.ts'
import { hostSources } from './sources/all.ts'

const limitMilliseconds = 5000

/** A table of what each section sees, and whether none of them is in error. */
export async function checkSections(
  config: CollectorConfig,
  entry: string,
): Promise<{ text: string; good: boolean }> {
  const sources = hostSources(config.roots, config.sections)
  const readings = await Promise.all(
    sources.map((source) => readSource(source, Date.now(), limitMilliseconds)),
  )
  const rows = readings.map(({ name, state, detail, metrics }) => [
    name,
    state,
    `${metrics.length} figures`,
    detail,
  ])
  if (config.sections.inventory !== false) {
    const { state, detail, documents } = await readInventory(entry)
    rows.push(['inventory', state, `${Object.keys(documents).length} documents`, detail])
  }
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
