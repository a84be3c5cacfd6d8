import Type, { type Static } from 'typebox'
import { Compile } from 'typebox/compile'

/** Characters of names, versions and paths in a collector's documents. */
const Name = Type.String({ minLength: 1, maxLength: 512 })
const Version = Type.String({ maxLength: 256 })
const Path = Type.String({ minLength: 1, maxLength: 4096 })
const Hash = Type.String({ pattern: '^[0-9a-f]{64}$' })
const maxPackages = 20_000
const maxListed = 2_000

const PackagesSchema = Type.Object({
  manager: Type.Enum(['dpkg', 'rpm', 'none']),
  packages: Type.Record(Type.String(), Version, { maxProperties: maxPackages }),
})

const ServiceSchema = Type.Object({ name: Name, version: Version })
const FileSchema = Type.Object({
  path: Path,
  state: Type.Enum(['ok', 'absent', 'denied', 'error']),
  sha256: Type.Optional(Hash),
})

/** Of the document `software` what is compared; the rest is for screens. */
const SoftwareSchema = Type.Object({
  services: Type.Optional(Type.Array(ServiceSchema, { maxItems: maxListed })),
  files: Type.Optional(Type.Array(FileSchema, { maxItems: maxListed })),
  kernel: Type.Optional(Type.Object({ running: Type.Optional(Version) })),
})

export type PackagesDocument = Static<typeof PackagesSchema>
export type SoftwareDocument = Static<typeof SoftwareSchema>
export type FileEntry = Static<typeof FileSchema>

/** What a host told, if it can be used. */
export type Reading<Document> =
  | { readonly state: 'ok'; readonly document: Document }
  | { readonly state: 'absent'; readonly detail: string }
  | { readonly state: 'error'; readonly detail: string }

const packages = Compile(PackagesSchema)
const software = Compile(SoftwareSchema)

/** Reads the document `packages`; never throws. A list without packages is none: no host of a package manager has that. */
export function readPackages(text: string | undefined): Reading<PackagesDocument> {
  const read = readDocument<PackagesDocument>('packages', packages, text)
  if (read.state !== 'ok') return read
  const { manager, packages: listed } = read.document
  const names = Object.keys(listed)
  const long = names.find((name) => name.length === 0 || name.length > 512)
  if (long !== undefined)
    return error('packages', `a package's name has ${long.length} characters; 1 to 512 are taken`)
  if (manager === 'none')
    return { state: 'absent', detail: 'the host has no package manager the collector knows' }
  if (names.length === 0)
    return error('packages', `${manager} lists no package at all; look at its database on the host`)
  return read
}

/** Reads the document `software`; never throws. */
export function readSoftware(text: string | undefined): Reading<SoftwareDocument> {
  return readDocument<SoftwareDocument>('software', software, text)
}

interface Validator {
  Check(value: unknown): boolean
  Errors(value: unknown): readonly { readonly instancePath: string; readonly message: string }[]
}

function readDocument<Document>(
  name: string,
  validator: Validator,
  text: string | undefined,
): Reading<Document> {
  if (text === undefined)
    return { state: 'absent', detail: `the collector has sent no document "${name}"` }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return error(name, 'it is not JSON')
  }
  // The validator has just seen that it is one.
  if (validator.Check(value)) return { state: 'ok', document: value as Document }
  const [first] = validator.Errors(value)
  return error(name, `${first?.instancePath || '/'} ${first?.message ?? 'is not valid'}`)
}

function error(name: string, what: string): { state: 'error'; detail: string } {
  const detail = `the document "${name}" cannot be used: ${what}`.slice(0, 500)
  return { state: 'error', detail: `${detail}. Does the collector's version fit the hub's?` }
}
