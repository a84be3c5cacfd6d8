import { Liquid, type Template } from 'liquidjs'
import type { Millis } from '../clock.ts'
import { defaultTexts, type Form, forms } from './default-texts.ts'
import {
  isTimeZone,
  type Language,
  languages,
  type Message,
  type MessageKind,
  manyLines,
  messageKinds,
  oneLine,
  safeUrl,
  severities,
  textLimits,
  zonedTime,
} from './message.ts'
import { words } from './words.ts'

/** Numbered limits of templates; a fault names the template and its line. */
export const templateLimits = {
  /** Characters of one template. */
  characters: 16_384,
  files: 500,
  /** A render ends after this; it holds up the hub that long at most. */
  renderMillis: 100,
  /** Liquid's own count of what it allocates. */
  memory: 200_000,
  /** Characters of what a template makes. */
  output: 20_000,
  /** Partials within partials. */
  depth: 5,
} as const

/** A template that cannot be used: where, and what to do. */
export class TemplateFault extends Error {}

/** Text by its name: `firing.text.email.ru`, `firing.text`, a partial's name. */
export type TemplateSources = ReadonlyMap<string, string>

/** What to render, and for whom. */
export interface RenderRequest {
  readonly message: Message
  readonly language: Language
  readonly channel: string
  readonly timeZone: string
  /** Of the idempotency key. */
  readonly reference: string
  readonly now: Millis
}

/** A text that is no message by itself: what it may be named, what ships, and what it sees; `null` is a known field without a value. */
export interface TextRequest {
  readonly names: readonly string[]
  readonly shipped: string
  readonly scope: Readonly<Record<string, unknown>>
}

/** Own templates of notices: `notice.customers.opening`, in one language with `.vi` after it. */
const noticeName =
  /^notice\.(?:management|departments|customers)\.(?:opening|update|restored|closing)(?:\.(?:en|zh|vi|ru))?$/

export interface Rendered {
  readonly title: string
  readonly text: string
  readonly short: string
  readonly url: string | undefined
  /** Faults of own templates, for which the default text stands in: a page is never withheld for a template. */
  readonly faults: readonly string[]
}

// What a template may use: nothing that reads files, loops without data, or compiles expressions from text.
const tagsKept = new Set([
  'assign',
  'capture',
  'case',
  'comment',
  'if',
  'unless',
  'for',
  'break',
  'continue',
  'raw',
  'render',
  'echo',
  '#',
])
const filtersKept = new Set([
  ...[
    'append',
    'prepend',
    'capitalize',
    'downcase',
    'upcase',
    'default',
    'escape',
    'join',
    'first',
    'last',
    'size',
  ],
  ...[
    'lstrip',
    'rstrip',
    'strip',
    'replace',
    'replace_first',
    'remove',
    'remove_first',
    'slice',
    'split',
    'truncate',
  ],
  ...[
    'truncatewords',
    'url_encode',
    'plus',
    'minus',
    'times',
    'divided_by',
    'round',
    'abs',
    'at_least',
    'at_most',
    'json',
  ],
])

function engineOf(partials: TemplateSources, renderLimit: number): Liquid {
  const engine = new Liquid({
    strictFilters: true,
    strictVariables: true,
    // A field that a message does not have is absent, not a fault; a misspelt one outside of `if` is.
    lenientIf: true,
    ownPropertyOnly: true,
    dynamicPartials: true,
    relativeReference: false,
    templates: Object.fromEntries(partials),
    parseLimit: templateLimits.characters,
    renderLimit,
    memoryLimit: templateLimits.memory,
  })
  for (const name of Object.keys(engine.tags)) if (!tagsKept.has(name)) delete engine.tags[name]
  for (const name of Object.keys(engine.filters))
    if (!filtersKept.has(name)) delete engine.filters[name]
  return engine
}

/** Renders messages: own templates where an installation has them, the default texts elsewhere. Immutable. */
export class Templates {
  readonly #own: ReadonlyMap<string, Template[]>
  readonly #engine: Liquid
  readonly #shipped: Liquid
  readonly #defaults = new Map<string, Template[]>()

  /** Throws TemplateFault for the first template that cannot be used. */
  constructor(own: TemplateSources = new Map(), channels: readonly string[] = []) {
    checkSizes(own)
    checkPartials(own)
    this.#engine = engineOf(own, templateLimits.renderMillis)
    // The shipped texts are bounded by themselves; a hub that is held up must not lose them to a limit of time.
    this.#shipped = engineOf(new Map(), Number.POSITIVE_INFINITY)
    this.#own = new Map(
      [...own].map(([name, source]) => [name, parsed(this.#engine, name, source)] as const),
    )
    checkUsed(own, channels)
    for (const [kind, byForm] of Object.entries(defaultTexts))
      for (const form of forms)
        this.#defaults.set(
          `${kind}.${form}`,
          parsed(this.#shipped, `${kind}.${form}`, byForm[form]),
        )
  }

  /** Never throws for an own template: its fault is named and the default text taken. */
  render(request: RenderRequest): Rendered {
    const scope = scopeOf(request)
    const faults: string[] = []
    const [title, text, short] = forms.map((form) => this.#form(form, request, scope, faults))
    return {
      title: oneLine(title ?? ''),
      text: manyLines(text ?? '', templateLimits.output),
      short: oneLine(short ?? '', templateLimits.output),
      url: safeUrl(request.message.url),
      faults,
    }
  }

  /**
   * A text of another capability: the first own template of these names that makes one, else the text that ships. Its faults are named.
   */
  text({ names, shipped, scope }: TextRequest): { text: string; faults: readonly string[] } {
    const faults: string[] = []
    for (const name of names) {
      const own = this.#own.get(name)
      if (own === undefined) continue
      try {
        const text = rendered(this.#engine, name, own, scope).trim()
        if (text !== '') return { text: manyLines(text, templateLimits.output), faults }
        faults.push(`${name}.liquid: it makes no text`)
      } catch (error) {
        faults.push((error as Error).message)
      }
    }
    const made = rendered(
      this.#shipped,
      'shipped',
      parsed(this.#shipped, 'shipped', shipped),
      scope,
    )
    return { text: manyLines(made, templateLimits.output), faults }
  }

  /** Renders a text that is not installed, as a preview. Throws TemplateFault. */
  try(source: string, request: RenderRequest): string {
    checkSizes(new Map([['preview', source]]))
    checkLiterals('preview', source)
    const engine = this.#engine
    return rendered(engine, 'preview', parsed(engine, 'preview', source), scopeOf(request))
  }

  #form(form: Form, request: RenderRequest, scope: object, faults: string[]): string {
    const { channel, language } = request
    const { kind } = request.message
    const base = `${kind}.${form}`
    const names = [
      `${base}.${channel}.${language}`,
      `${base}.${channel}`,
      `${base}.${language}`,
      base,
    ]
    for (const name of names) {
      const own = this.#own.get(name)
      if (own === undefined) continue
      try {
        const text = rendered(this.#engine, name, own, scope)
        if (text.trim() === '') throw new TemplateFault(`${name}.liquid: it makes no text`)
        if (form === 'title' && /[\r\n]/.test(text.trim()))
          throw new TemplateFault(`${name}.liquid: a title is one line; take the line breaks out`)
        return text.trim()
      } catch (error) {
        faults.push((error as Error).message)
      }
    }
    const fallback = this.#defaults.get(base)
    if (fallback === undefined) throw new Error(`BUG: no default text ${base}`)
    return rendered(this.#shipped, base, fallback, scope)
  }
}

function checkSizes(sources: TemplateSources): void {
  if (sources.size > templateLimits.files)
    throw new TemplateFault(
      `there are ${sources.size} templates; ${templateLimits.files} may be. Take out what is not used.`,
    )
  for (const [name, source] of sources)
    if (source.length > templateLimits.characters)
      throw new TemplateFault(
        `${name}.liquid: it has ${source.length} characters; ${templateLimits.characters} may be. Shorten it.`,
      )
}

const renderTag = /\{%-?\s*render\b\s*([^%]*?)-?%\}/g

function* rendersOf(name: string, source: string): Generator<{ partial: string; line: number }> {
  for (const match of source.matchAll(renderTag)) {
    const line = source.slice(0, match.index).split('\n').length
    const literal = /^(['"])([a-z0-9_.-]{1,64})\1/i.exec(match[1] ?? '')
    if (literal === null)
      throw new TemplateFault(
        `${name}.liquid:${line}: render takes the name of a template in quotes. Example: {% render 'footer' %}`,
      )
    yield { partial: literal[2] ?? '', line }
  }
}

function checkLiterals(name: string, source: string): void {
  for (const _ of rendersOf(name, source));
}

/** Refuses a file that no message would ever be made of: most likely its name is misspelt. */
function checkUsed(sources: TemplateSources, channels: readonly string[]): void {
  const rendered = new Set<string>()
  for (const [name, source] of sources)
    for (const { partial } of rendersOf(name, source)) rendered.add(partial)
  const last = [[], ...languages.map((one) => [one])]
  const between = [[], ...channels.map((one) => [one])]
  const known = new Set(
    messageKinds.flatMap((kind) =>
      forms.flatMap((form) =>
        between.flatMap((one) => last.map((two) => [kind, form, ...one, ...two].join('.'))),
      ),
    ),
  )
  for (const name of sources.keys())
    if (!known.has(name) && !rendered.has(name) && !noticeName.test(name))
      throw new TemplateFault(
        `${name}.liquid: no message is made of it. Names are like firing.text.email.ru.liquid; or render it in another template.`,
      )
}

/** Refuses partials that are not there, and those that come back to themselves. */
function checkPartials(sources: TemplateSources): void {
  const walk = (name: string, way: readonly string[]) => {
    const source = sources.get(name)
    if (source === undefined) return
    for (const { partial, line } of rendersOf(name, source)) {
      const place = `${name}.liquid:${line}`
      if (!sources.has(partial))
        throw new TemplateFault(`${place}: there is no template "${partial}" to render`)
      const path = [...way, partial]
      if (way.includes(partial))
        throw new TemplateFault(
          `${place}: a template loop: ${path.join(' -> ')}. Take one of the render tags out.`,
        )
      if (path.length > templateLimits.depth)
        throw new TemplateFault(
          `${place}: templates within templates go ${templateLimits.depth} deep at most: ${path.join(' -> ')}`,
        )
      walk(partial, path)
    }
  }
  for (const name of sources.keys()) walk(name, [name])
}

function parsed(engine: Liquid, name: string, source: string): Template[] {
  try {
    return engine.parse(source)
  } catch (error) {
    throw faultOf(name, error)
  }
}

function rendered(engine: Liquid, name: string, template: Template[], scope: object): string {
  let text: string
  try {
    text = String(engine.renderSync(template, scope))
  } catch (error) {
    throw faultOf(name, error)
  }
  if (text.length > templateLimits.output)
    throw new TemplateFault(
      `${name}.liquid: it makes ${text.length} characters; ${templateLimits.output} may be`,
    )
  return text
}

/** Liquid's errors carry the token; what they cost is said in words that tell what to do. */
function faultOf(name: string, error: unknown): TemplateFault {
  const { message, token } = error as Error & { token?: { getPosition?: () => [number, number] } }
  const line = token?.getPosition?.()[0]
  const place = `${name}.liquid${line === undefined ? '' : `:${line}`}`
  const what = message.replace(/, line:\d+, col:\d+$/, '')
  const limits: readonly (readonly [RegExp, string])[] = [
    [/ENOENT/, 'it renders a template that is not there; take the render tag out, or add the file'],
    [
      /render limit/,
      `a loop that takes longer than ${templateLimits.renderMillis} ms; loop over less`,
    ],
    [/memory alloc/, 'it makes more than may be held; loop over less'],
    [
      /length limit/,
      `it has more than ${templateLimits.characters} characters with what it renders; shorten it`,
    ],
  ]
  return new TemplateFault(
    `${place}: ${limits.find(([pattern]) => pattern.test(what))?.[1] ?? what}`,
  )
}

/** Furthest time a Date shows. */
const lastMillis = 8.64e15

/** What a template sees; each value is cleaned. docs/notify.md lists it. */
function scopeOf({ message, language, channel, timeZone, reference, now }: RenderRequest): object {
  const line = (text: string | undefined) =>
    text === undefined ? undefined : oneLine(text) || undefined
  // A page goes out with what is right in it: a time or severity that makes no sense is left out.
  const zone = isTimeZone(timeZone) ? timeZone : 'UTC'
  const time = (at: Millis | undefined) =>
    at === undefined || !(Math.abs(at) <= lastMillis) ? undefined : zonedTime(at, zone)
  const alerts = message.alerts ?? []
  const given: Record<string, unknown> = {
    kind: message.kind satisfies MessageKind,
    channel,
    language,
    words: words[language],
    title: oneLine(message.title),
    severity: severities.find((one) => one === message.severity),
    description:
      message.description === undefined ? undefined : manyLines(message.description) || undefined,
    impact: line(message.impact),
    server: line(message.server),
    site: line(message.site),
    customer: line(message.customer),
    startedAt: time(message.startedAt),
    endedAt: time(message.endedAt),
    time: time(message.endedAt ?? message.startedAt ?? now),
    acknowledgedBy: line(message.acknowledgedBy),
    incident: message.incident,
    step: message.step,
    reason: line(message.reason),
    count: alerts.length,
    more: Math.max(0, alerts.length - textLimits.alerts),
    alerts: alerts.slice(0, textLimits.alerts).map((alert) => ({
      title: oneLine(alert.title),
      server: line(alert.server) ?? null,
      severity: alert.severity ?? null,
      startedAt: time(alert.startedAt) ?? null,
    })),
    url: safeUrl(message.url),
    runbook: safeUrl(message.runbookUrl),
    ref: reference,
  }
  // `null` is a known field without a value; a name that is not here is a fault.
  for (const [name, value] of Object.entries(given)) if (value === undefined) given[name] = null
  return given
}
