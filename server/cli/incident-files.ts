import { createHash } from 'node:crypto'
import { createWriteStream, existsSync, readFileSync, rmSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Call, CommandError, sayJson, textOption, UsageError } from './command.ts'
import { incidentPath } from './incident-path.ts'
import { localTime, plain, table } from './render.ts'

interface FileAnswer {
  readonly id: string
  readonly name: string
  readonly mediaType: string
  readonly bytes: number
  readonly sha256: string | null
  readonly addedAt: string
  readonly addedBy: string
  readonly erasedAt: string | null
}

/** As the hub has it; a larger file is refused before it is read. */
const fileBytesMost = 25 * 1024 * 1024
const uploadMillis = 300_000

/** `callward incident NUMBER attach FILE`. */
export async function attachFile(
  call: Call,
  incident: string,
  words: readonly string[],
): Promise<void> {
  const [path] = words
  if (path === undefined || words.length > 1)
    throw new UsageError('Say which file: callward incident 12 attach trace.pcap')
  const content = contentOf(path)
  const sha256 = createHash('sha256').update(content).digest('hex')
  const query = new URLSearchParams({ name: textOption(call, 'name') ?? basename(path), sha256 })
  const answer = await call
    .hub()
    .call<{ attachment: FileAnswer }>('POST', `${pathOf(incident)}?${query}`, content, uploadMillis)
  if (call.values['json'] === true) sayJson(call, answer)
  else {
    const { id, name, bytes } = answer.attachment
    call.say(`${plain(name)} is attached: ${bytes} bytes, SHA-256 ${sha256} (${id}).`)
  }
}

/** `callward incident NUMBER files`, with an id: fetches that one. */
export async function incidentFiles(
  call: Call,
  incident: string,
  id: string | undefined,
): Promise<void> {
  const hub = call.hub()
  const answer = await hub.call<{ attachments: FileAnswer[] }>('GET', pathOf(incident))
  if (id !== undefined) return await fetchFile(call, incident, answer.attachments, id)
  if (call.values['json'] === true) sayJson(call, answer)
  else if (answer.attachments.length === 0) call.say('Nothing is attached.')
  else
    table(
      call,
      ['ID', 'NAME', 'BYTES', 'ADDED', 'BY', 'SHA-256'],
      answer.attachments.map((file) => [
        file.id,
        plain(file.name),
        String(file.bytes),
        localTime(file.addedAt),
        plain(file.addedBy),
        file.sha256?.slice(0, 16) ?? `erased ${localTime(file.erasedAt)}`,
      ]),
    )
}

async function fetchFile(
  call: Call,
  incident: string,
  files: readonly FileAnswer[],
  id: string,
): Promise<void> {
  const file = files.find((one) => one.id === id)
  if (file === undefined)
    throw new CommandError(
      `The incident has no file ${id}; see: callward incident ${incident} files`,
    )
  // The name came from somebody else: never a path here.
  const path = textOption(call, 'out') ?? basename(plain(file.name).replaceAll('\\', '_'))
  if (existsSync(path))
    throw new CommandError(`${path} exists already. Give another name with --out.`)
  const response = await call.hub().stream('GET', `${pathOf(incident)}/${encodeURIComponent(id)}`)
  try {
    const body = Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0])
    await pipeline(body, createWriteStream(path, { flags: 'wx', mode: 0o600 }))
    const found = createHash('sha256').update(readFileSync(path)).digest('hex')
    if (found !== file.sha256) throw new Error(`its SHA-256 is ${found}`)
  } catch (error) {
    rmSync(path, { force: true })
    throw new CommandError(
      `The file is not whole and was removed (${(error as Error).message}). Try again.`,
    )
  }
  call.say(path)
}

function pathOf(incident: string): string {
  return `${incidentPath(incident)}/attachments`
}

function contentOf(path: string): Buffer {
  try {
    const { size } = statSync(path)
    if (size > fileBytesMost)
      throw new CommandError(
        `${path} has ${size} bytes; a file has at most ${fileBytesMost}: attach a part of it.`,
      )
    return readFileSync(path)
  } catch (error) {
    if (error instanceof CommandError) throw error
    throw new CommandError(`${path} cannot be read (${(error as NodeJS.ErrnoException).code}).`)
  }
}
