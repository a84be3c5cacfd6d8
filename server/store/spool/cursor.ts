import { open, readFile, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import Type, { type Static } from 'typebox'
import Value from 'typebox/value'
import { realDisk, systemCode } from '../disk.ts'

const CursorFile = Type.Object(
  {
    /** Whose cursor it is, as a hash: with another target nothing is known of it. */
    target: Type.String({ maxLength: 100 }),
    /** Files up to this order are in the engine, on its disk. */
    forwarded: Type.Integer({ minimum: 0 }),
    /** Files up to this order may be there in part: what is there is looked up before anything is sent. */
    begun: Type.Integer({ minimum: 0 }),
  },
  { additionalProperties: false },
)

export type Cursor = Readonly<Static<typeof CursorFile>>

/** Of VictoriaMetrics and of InfluxDB, in the folder of the store. */
export type CursorName = 'forwarded.json' | 'outlet.json'

/** The cursor of a store folder; undefined when there is none of this target: then nothing is known of what was sent. */
export async function readCursor(
  folder: string,
  cursorName: CursorName,
  target: string,
): Promise<Cursor | undefined> {
  const text = await readFile(join(folder, cursorName), 'utf8').catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return ''
    throw error
  })
  try {
    const found: unknown = JSON.parse(text)
    return Value.Check(CursorFile, found) && found.target === target ? found : undefined
  } catch {
    return undefined
  }
}

/** Writes the cursor durably: the file is the old one or the new one. */
export async function writeCursor(
  folder: string,
  cursorName: CursorName,
  cursor: Cursor,
): Promise<void> {
  const path = join(folder, cursorName)
  const handle = await open(`${path}.tmp`, 'w')
  try {
    await handle.writeFile(`${JSON.stringify(cursor)}\n`)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(`${path}.tmp`, path)
  await realDisk.syncFolder(dirname(path))
}
