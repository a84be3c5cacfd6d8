import { CallwardError } from '../errors.ts'

/** Limits of what is attached. */
export const limits = {
  fileBytes: 25 * 1024 * 1024,
  incidentBytes: 200 * 1024 * 1024,
  incidentFiles: 200,
  nameCharacters: 150,
} as const

/** A name that was erased. */
export const erasedName = '[erased]'

/**
 * A file's name as it is kept: a label, never a path. Throws bad_request that says what to write: separators of folders, control and
 * direction characters would show another name than is there.
 */
export function nameOf(text: string): string {
  const name = text.normalize('NFC').trim()
  if (name === '' || /^\.+$/.test(name) || [...name].length > limits.nameCharacters)
    refuseName(`of 1 to ${limits.nameCharacters} characters`)
  if (/[\\/]/.test(name)) refuseName('without folders: no / and no \\')
  if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Surrogate}]/u.test(name))
    refuseName('without control or direction characters')
  return name
}

function refuseName(how: string): never {
  throw new CallwardError('bad_request', `Give the file a name ${how}, as ?name=trace.pcap`)
}

const mediaForm = /^[a-z0-9][a-z0-9!#$&^_.+-]{0,63}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}$/

/** The media type of a Content-Type header, without its parameters; what is none is `application/octet-stream`. */
export function mediaTypeOf(header: string | undefined): string {
  const text = (header?.split(';')[0] ?? '').trim().toLowerCase()
  return mediaForm.test(text) ? text : 'application/octet-stream'
}

/** The media type of an image that browsers draw and that runs nothing, by its first bytes; undefined for all else, SVG too. */
export function imageTypeOf(head: Uint8Array): string | undefined {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.byteLength)
  const starts = (hex: string, at = 0) =>
    bytes.subarray(at, at + hex.length / 2).toString('hex') === hex
  if (starts('89504e470d0a1a0a')) return 'image/png'
  if (starts('ffd8ff')) return 'image/jpeg'
  if (starts('474946383761') || starts('474946383961')) return 'image/gif'
  if (starts('52494646') && starts('57454250', 8)) return 'image/webp'
  return undefined
}

/** Content-Disposition with a plain name for old programs and the whole one (RFC 6266, RFC 8187). */
export function dispositionOf(kind: 'attachment' | 'inline', name: string): string {
  const plain = name.replace(/[^\x20-\x7e]|["\\%;]/g, '_')
  const whole = encodeURIComponent(name).replace(
    /['()*]/g,
    (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  return `${kind}; filename="${plain}"; filename*=UTF-8''${whole}`
}
