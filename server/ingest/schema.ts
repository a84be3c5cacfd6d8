import Type, { type Static } from 'typebox'
import { Compile } from 'typebox/compile'
import { limits } from '../../collector/wire/frames.ts'
import { handshakeLimits } from '../../collector/wire/handshake.ts'

/** A host's label is also read by people and kept in the records: no control characters. */
const Label = Type.String({
  minLength: 1,
  maxLength: limits.labelCharacters,
  pattern: '^[^\\u0000-\\u001f\\u007f\\ud800-\\udfff]+$',
})

/** What a clock can show: the times of a JavaScript Date from 1970 on. */
const Wall = Type.Number({ minimum: 0, maximum: 8.64e15 })

const Word = Type.String({ pattern: '^[\\x21-\\x7e]{1,64}$' })

const Protocols = Type.Array(Type.Integer(), { minItems: 1, maxItems: limits.protocolsOffered })

const HelloSchema = Type.Object({
  type: Type.Literal('hello'),
  protocols: Protocols,
  collector: Type.String({ pattern: '^[0-9a-fA-F-]{36}$' }),
  epoch: Word,
  version: Word,
  labels: Type.Object(
    {
      job: Label,
      instance: Label,
      customer: Label,
      site: Label,
      server: Label,
      role: Label,
      env: Label,
      simulated: Type.Optional(Type.Literal('true')),
    },
    { additionalProperties: false },
  ),
  intervalSeconds: Type.Number({ minimum: 1, maximum: 3600 }),
  wall: Wall,
})

const SeriesSchema = Type.Object({
  type: Type.Literal('series'),
  from: Type.Integer({ minimum: 0 }),
  series: Type.Array(
    Type.Object({
      name: Type.String({
        pattern: '^[a-zA-Z_:][a-zA-Z0-9_:]*$',
        maxLength: limits.labelCharacters,
      }),
      labels: Type.Record(
        // Of a key only the pattern is checked, so it has the length in it.
        Type.String({ pattern: `^[a-zA-Z_][a-zA-Z0-9_]{0,${limits.labelCharacters - 1}}$` }),
        Type.String({ maxLength: limits.labelCharacters }),
        {
          maxProperties: limits.labelsPerSeries,
          additionalProperties: false,
        },
      ),
    }),
    { maxItems: limits.seriesPerSession },
  ),
})

const FactsSchema = Type.Object({
  type: Type.Literal('facts'),
  name: Type.String({ pattern: '^[a-z][a-z0-9-]{0,63}$' }),
  hash: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  document: Type.Unknown(),
  wall: Wall,
})

const SectionsSchema = Type.Object({
  type: Type.Literal('sections'),
  sections: Type.Array(
    Type.Object({
      name: Type.String({ pattern: '^[a-zA-Z0-9][a-zA-Z0-9_.:-]{0,63}$' }),
      state: Type.Enum(['ok', 'absent', 'denied', 'error']),
      detail: Type.String({ maxLength: 1000 }),
    }),
    { maxItems: 200 },
  ),
})

const ByeSchema = Type.Object({
  type: Type.Literal('bye'),
  reason: Type.String({ maxLength: 200 }),
})

const ProofSchema = Type.Object({
  type: Type.Literal('proof'),
  counter: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
  linkProof: Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' }),
  machine: Type.Record(
    Type.String({ pattern: '^[a-z][a-z0-9-]{0,31}$' }),
    Type.String({ pattern: '^[A-Za-z0-9_-]{22}$' }),
    { maxProperties: handshakeLimits.machineFacts, additionalProperties: false },
  ),
  signature: Type.String({ pattern: '^[A-Za-z0-9_-]{86}$' }),
})

const offersProtocols = Compile(Type.Object({ type: Type.Literal('hello'), protocols: Protocols }))

const validators = {
  hello: Compile(HelloSchema),
  proof: Compile(ProofSchema),
  series: Compile(SeriesSchema),
  facts: Compile(FactsSchema),
  sections: Compile(SectionsSchema),
  bye: Compile(ByeSchema),
}

/** A text frame from a collector, checked. */
export type TextFrame =
  | Static<typeof HelloSchema>
  | Static<typeof ProofSchema>
  | Static<typeof SeriesSchema>
  | Static<typeof FactsSchema>
  | Static<typeof SectionsSchema>
  | Static<typeof ByeSchema>

/** A fault may quote what was sent; nobody reads more of it. */
const faultCharacters = 200

/** What is wrong with a text frame, in one line of at most 200 characters. */
export interface TextFault {
  readonly fault: string
  /** The versions offered by a hello that is otherwise not ours to read. */
  readonly protocols?: readonly number[]
}

export function readTextFrame(text: string): TextFrame | TextFault {
  const frame = checkedFrame(text)
  return 'fault' in frame ? { ...frame, fault: frame.fault.slice(0, faultCharacters) } : frame
}

function checkedFrame(text: string): TextFrame | TextFault {
  let frame: unknown
  try {
    frame = JSON.parse(text)
  } catch (error) {
    return { fault: `not JSON: ${(error as Error).message}` }
  }
  const type =
    typeof frame === 'object' && frame !== null && 'type' in frame ? String(frame.type) : undefined
  if (type === undefined || !Object.hasOwn(validators, type)) {
    return {
      fault: `unknown frame type ${JSON.stringify(type ?? null).slice(0, 80)}; known: ${Object.keys(validators).join(', ')}`,
    }
  }
  const validator = validators[type as keyof typeof validators]
  if (validator.Check(frame)) return frame as TextFrame
  const [first] = validator.Errors(frame)
  const fault = `${type}${first?.instancePath ?? ''} ${first?.message ?? 'is not valid'}`
  return offersProtocols.Check(frame) ? { fault, protocols: frame.protocols } : { fault }
}
