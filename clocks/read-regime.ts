import { type DocumentFault, DocumentReader, type Mapping, type Path } from './document.ts'
import { type Formula, factsOf, unitsOf } from './formula.ts'
import {
  minuteOfDay,
  readHolidays,
  readWeekend,
  readWorkingHours,
  readZone,
} from './read-calendar.ts'
import { readDuration, readFormula, readPick } from './read-formula.ts'
import type { Citation, ClockRule, Ending, PauseRule, Regime, Rhythm, RollRule } from './regime.ts'
import { readYaml, type TextFault } from './yaml-text.ts'

const clocksMax = 100
const factsOfRegimeMax = 200
const namesMax = 50

/** Reads the YAML text of a regime file; with a fault there is no regime. Never throws. */
export function readRegimeText(text: string): {
  readonly value: Regime | undefined
  readonly faults: readonly TextFault[]
} {
  return readYaml(text, readRegime)
}

/** Reads a regime that was parsed already; every fault carries its place. */
export function readRegime(content: unknown): {
  readonly value: Regime | undefined
  readonly faults: readonly DocumentFault[]
} {
  const reader = new DocumentReader()
  const keys = [
    ...['regime', 'title', 'jurisdiction', 'caution', 'calendar', 'facts', 'clocks'],
    ...['kinds', 'not_expressed'],
  ]
  const item = reader.mapping(content, [], keys, 'regime: dora')
  if (item === undefined) return { value: undefined, faults: reader.faults }
  const name = reader.name(item['regime'], ['regime'], 'regime: dora')
  const title = reader.required(item['title'], ['title'], 'title: "EU DORA"')
  const jurisdiction = reader.required(item['jurisdiction'], ['jurisdiction'], 'jurisdiction: EU')
  const caution = reader.required(
    item['caution'],
    ['caution'],
    'caution: "Counsel must confirm each clock before it is relied on."',
  )
  const calendar = readCalendar(reader, item['calendar'] ?? {})
  const kinds = readKinds(reader, item['kinds'], ['kinds'])
  const facts = readFactNames(reader, item['facts'])
  const clocks = reader
    .list(item['clocks'], ['clocks'], clocksMax, '[{ code: initial, … }]')
    .map((clock, i) => readClock(reader, clock, ['clocks', i], facts))
    .filter((clock) => clock !== undefined)
  if (item['clocks'] === undefined || clocks.length === 0)
    reader.fault(['clocks'], 'needs at least one clock that can be read')
  for (const [i, { code }] of clocks.entries())
    if (clocks.findIndex((clock) => clock.code === code) < i)
      reader.fault(['clocks', i, 'code'], `"${code}" is there twice; give each clock its own code`)
  for (const [i, { roll }] of clocks.entries())
    for (const kind of roll?.notFor ?? [])
      if (!kinds.includes(kind))
        reader.fault(
          ['clocks', i, 'roll', 'not_for'],
          `"${kind}" is not among "kinds"; add it there`,
        )
  const notExpressed = readTexts(reader, item['not_expressed'], ['not_expressed'])
  const faults = reader.faults
  if (faults.length > 0 || !name || !title || !jurisdiction || !caution)
    return { value: undefined, faults }
  const value = { name, title, jurisdiction, caution, calendar, kinds, facts, clocks, notExpressed }
  return { value, faults }
}

function readKinds(reader: DocumentReader, value: unknown, path: Path): string[] {
  return reader
    .list(value, path, namesMax, '[credit-institution]')
    .map((kind, i) => reader.name(kind, [...path, i], 'credit-institution'))
    .filter((kind) => kind !== undefined)
}

function readTexts(reader: DocumentReader, value: unknown, path: Path): string[] {
  return reader
    .list(value, path, namesMax, '["what it says"]')
    .map((one, i) => reader.text(one ?? '', [...path, i], '"a sentence"'))
    .filter((one) => one !== undefined)
}

function readCalendar(reader: DocumentReader, value: unknown): Regime['calendar'] {
  const keys = ['zone', 'weekend', 'holidays', 'working_hours']
  const item = reader.mapping(value, ['calendar'], keys, 'calendar: { zone: institution }') ?? {}
  const zone = item['zone'] === 'institution' ? undefined : item['zone']
  return {
    zone: readZone(reader, zone, ['calendar', 'zone']),
    weekend: readWeekend(reader, item['weekend'], ['calendar', 'weekend']) ?? [
      'saturday',
      'sunday',
    ],
    holidays: readHolidays(reader, item['holidays'], ['calendar', 'holidays']),
    workingHours: readWorkingHours(reader, item['working_hours'], [
      'calendar',
      'working_hours',
    ]) ?? {
      from: 540,
      to: 1020,
    },
  }
}

function readFactNames(reader: DocumentReader, value: unknown): Regime['facts'] {
  const example = 'facts: { aware: "the institution became aware" }'
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    reader.fault(['facts'], `must be a mapping of names to meanings; example: ${example}`)
    return {}
  }
  const entries = Object.entries(value)
  if (entries.length > factsOfRegimeMax)
    reader.fault(['facts'], `has ${entries.length} names; at most ${factsOfRegimeMax} are read`)
  return Object.fromEntries(
    entries.slice(0, factsOfRegimeMax).flatMap(([key, meaning]) => {
      const name = reader.name(key, ['facts', key], 'aware')
      const text = reader.required(meaning, ['facts', key], '"the institution became aware"')
      return name === undefined || text === undefined ? [] : [[name, text]]
    }),
  )
}

const clockKeys = [
  ...[
    'code',
    'title',
    'citation',
    'starts_with',
    'start_pick',
    'requires',
    'applies_to',
    'deadline',
    'rhythm',
  ],
  ...['without_undue_delay', 'roll', 'pause', 'satisfied_by', 'void_by', 'lapses_by'],
  ...['at_risk_share', 'if_it_cannot_be_met', 'note', 'confidence', 'verified_on'],
]

function readClock(
  reader: DocumentReader,
  value: unknown,
  path: Path,
  facts: Regime['facts'],
): ClockRule | undefined {
  const item = reader.mapping(value, path, clockKeys, '{ code: initial, title: … }')
  if (item === undefined) return undefined
  const at = (key: string) => [...path, key]
  const code = reader.name(item['code'], at('code'), 'code: initial')
  const title = reader.required(item['title'], at('title'), 'title: "Initial notification"')
  const citation = readCitation(reader, item['citation'], at('citation'))
  const startsWith = reader.name(item['starts_with'], at('starts_with'), 'starts_with: aware')
  const confidence = reader.oneOf(item['confidence'], at('confidence'), [
    ...(['confirmed', 'secondary', 'memory'] as const),
  ])
  const verifiedOn = reader.date(item['verified_on'], at('verified_on'))
  const given = ['deadline', 'rhythm', 'without_undue_delay'].filter((key) => key in item)
  if (given.length !== 1)
    reader.fault(path, 'needs exactly one of deadline, rhythm, without_undue_delay: true')
  const open = item['without_undue_delay']
  if (open !== undefined && open !== true)
    reader.fault(at('without_undue_delay'), 'can only be true')
  const deadline =
    'deadline' in item ? readFormula(reader, item['deadline'], at('deadline')) : undefined
  const rhythm = 'rhythm' in item ? readRhythm(reader, item['rhythm'], at('rhythm')) : undefined
  const rest = readRest(reader, item, path)
  const rule = {
    ...rest,
    code,
    title,
    citation,
    startsWith,
    deadline,
    rhythm,
    confidence,
    verifiedOn,
  }
  checkFacts(reader, rule, facts, path)
  checkUnits(reader, rule, item, path)
  if (!code || !title || !citation || !startsWith || !confidence || !verifiedOn) return undefined
  const workingHours =
    deadline !== undefined && unitsOf(deadline).some((unit) => unit === 'working_hours')
  return { ...rule, code, title, citation, startsWith, confidence, verifiedOn, workingHours }
}

function readRest(reader: DocumentReader, item: Mapping, path: Path) {
  const at = (key: string) => [...path, key]
  const optional = <T>(key: string, read: (value: unknown, place: Path) => T) =>
    item[key] === undefined ? undefined : read(item[key], at(key))
  return {
    requires: optional('requires', (value, place) => reader.name(value, place, 'classified')),
    startPick: readPick(reader, item['start_pick'], at('start_pick')),
    appliesTo: readAttributes(reader, item['applies_to'], at('applies_to')),
    roll: optional('roll', (value, place) => readRoll(reader, value, place)),
    pause: optional('pause', (value, place) => readPause(reader, value, place)),
    satisfiedBy: optional('satisfied_by', (value, place) => readEnding(reader, value, place)),
    lapsesBy: optional('lapses_by', (value, place) => readEnding(reader, value, place)),
    voidBy: optional('void_by', (value, place) => reader.name(value, place, 'reclassified')),
    atRiskShare: readShare(reader, item['at_risk_share'], at('at_risk_share')),
    ifItCannotBeMet: reader.text(
      item['if_it_cannot_be_met'],
      at('if_it_cannot_be_met'),
      '"say so"',
    ),
    note: reader.text(item['note'], at('note'), '"counsel must confirm"'),
  }
}

type Unchecked = ReturnType<typeof readRest> & {
  readonly startsWith: string | undefined
  readonly deadline: Formula | undefined
  readonly rhythm: Rhythm | undefined
}

/** Every fact that a clock names must be explained under `facts`: a misspelt one would never come. */
function checkFacts(
  reader: DocumentReader,
  rule: Unchecked,
  facts: Regime['facts'],
  path: Path,
): void {
  const named = [
    rule.startsWith,
    rule.requires,
    rule.voidBy,
    ...(rule.deadline === undefined ? [] : factsOf(rule.deadline)),
    ...[rule.satisfiedBy, rule.lapsesBy].flatMap((one) => [one?.fact, one?.notBefore]),
    ...[
      rule.rhythm?.event,
      rule.rhythm?.until,
      rule.rhythm?.anew,
      rule.pause?.begins,
      rule.pause?.ends,
    ],
  ]
  for (const name of new Set(named))
    if (name !== undefined && !Object.hasOwn(facts, name))
      reader.fault(path, `the fact "${name}" is not among "facts"; add it there with its meaning`)
}

function checkUnits(reader: DocumentReader, rule: Unchecked, item: Mapping, path: Path): void {
  if (rule.deadline === undefined) {
    if (rule.roll !== undefined) reader.fault([...path, 'roll'], 'rolls nothing without a deadline')
    if (rule.lapsesBy !== undefined)
      reader.fault([...path, 'lapses_by'], 'needs a deadline by which the fact must come')
  }
  if (rule.rhythm === undefined && item['satisfied_by'] === undefined)
    reader.fault(path, 'needs satisfied_by: the fact that meets the clock')
  if (rule.rhythm !== undefined && item['satisfied_by'] !== undefined)
    reader.fault([...path, 'satisfied_by'], 'a rhythm ends by its "until"')
  const long = ['days', 'business_days', 'months']
  if (rule.pause === undefined || rule.deadline === undefined) return
  if (rule.deadline.kind === 'before' || unitsOf(rule.deadline).some((unit) => long.includes(unit)))
    reader.fault(
      [...path, 'pause'],
      'works with minutes, hours and working_hours after a fact only',
    )
}

function readCitation(reader: DocumentReader, value: unknown, path: Path): Citation | undefined {
  const example = '{ document: Regulation (EU) 2025/301, article: Art. 5(1)(a) }'
  const item = reader.mapping(value, path, ['document', 'article', 'url'], example)
  if (item === undefined) return undefined
  const document = reader.required(item['document'], [...path, 'document'], example)
  const article = reader.required(item['article'], [...path, 'article'], example)
  const url = reader.text(item['url'], [...path, 'url'], 'url: https://…')
  if (url !== undefined && !/^https?:\/\/\S+$/.test(url))
    reader.fault([...path, 'url'], 'must begin with https:// or http://')
  return document === undefined || article === undefined ? undefined : { document, article, url }
}

function readAttributes(
  reader: DocumentReader,
  value: unknown,
  path: Path,
): Readonly<Record<string, readonly string[]>> {
  if (value === undefined) return {}
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    reader.fault(path, 'must be a mapping; example: { severity: [sev1] }')
    return {}
  }
  return Object.fromEntries(
    Object.entries(value).map(([key, values]) => [
      reader.name(key, [...path, key], 'severity') ?? key,
      readTexts(reader, values, [...path, key]),
    ]),
  )
}

function readRhythm(reader: DocumentReader, value: unknown, path: Path): Rhythm | undefined {
  const example = '{ every: { minutes: 20 }, event: update_sent, until: restored }'
  const item = reader.mapping(value, path, ['every', 'event', 'until', 'anew'], example)
  if (item === undefined) return undefined
  const every = readDuration(reader, item['every'], [...path, 'every'])
  const event = reader.name(item['event'], [...path, 'event'], 'event: update_sent')
  const until = reader.name(item['until'], [...path, 'until'], 'until: restored')
  const anew =
    item['anew'] === undefined
      ? undefined
      : reader.name(item['anew'], [...path, 'anew'], 'anew: promised_anew')
  if (every !== undefined && every.unit !== 'minutes' && every.unit !== 'hours')
    return reader.fault([...path, 'every'], 'must be minutes or hours')
  if (every === undefined || event === undefined || until === undefined) return undefined
  const everyMillis = every.amount * (every.unit === 'hours' ? 3_600_000 : 60_000)
  return { everyMillis, event, until, anew }
}

function readRoll(reader: DocumentReader, value: unknown, path: Path): RollRule | undefined {
  const example =
    "{ on: [weekend, holiday], at: '12:00', not_for: [credit-institution], citation: … }"
  const item = reader.mapping(value, path, ['on', 'at', 'not_for', 'citation'], example)
  if (item === undefined) return undefined
  const on = reader
    .list(item['on'], [...path, 'on'], 2, '[weekend, holiday]')
    .map((one, i) => reader.oneOf(one, [...path, 'on', i], ['weekend', 'holiday'] as const))
    .filter((one) => one !== undefined)
  if (on.length === 0) reader.fault([...path, 'on'], 'must name weekend, holiday or both')
  const atMinute = minuteOfDay(item['at'])
  if (atMinute === undefined) reader.fault([...path, 'at'], "must be a time in quotes, as '12:00'")
  const notFor = readKinds(reader, item['not_for'], [...path, 'not_for'])
  const citation = readCitation(reader, item['citation'], [...path, 'citation'])
  return atMinute === undefined || citation === undefined
    ? undefined
    : { on, atMinute, notFor, citation }
}

function readPause(reader: DocumentReader, value: unknown, path: Path): PauseRule | undefined {
  const example = '{ begins: paused, ends: resumed, reasons: [waiting for the customer] }'
  const item = reader.mapping(value, path, ['begins', 'ends', 'reasons'], example)
  if (item === undefined) return undefined
  const begins = reader.name(item['begins'], [...path, 'begins'], 'begins: paused')
  const ends = reader.name(item['ends'], [...path, 'ends'], 'ends: resumed')
  const reasons = readTexts(reader, item['reasons'], [...path, 'reasons'])
  if (reasons.length === 0)
    reader.fault(
      [...path, 'reasons'],
      'needs at least one reason; a pause without one is a loophole',
    )
  return begins === undefined || ends === undefined ? undefined : { begins, ends, reasons }
}

function readEnding(reader: DocumentReader, value: unknown, path: Path): Ending | undefined {
  if (typeof value === 'string') {
    const fact = reader.name(value, path, 'initial_submitted')
    return fact === undefined ? undefined : { fact, notBefore: undefined }
  }
  const example = '{ fact: intermediate_submitted, not_before: recovered }'
  const item = reader.mapping(value, path, ['fact', 'not_before'], example)
  if (item === undefined) return undefined
  const fact = reader.name(item['fact'], [...path, 'fact'], example)
  const notBefore = reader.name(item['not_before'], [...path, 'not_before'], example)
  return fact === undefined || notBefore === undefined ? undefined : { fact, notBefore }
}

/** Three quarters when nothing is said. */
function readShare(reader: DocumentReader, value: unknown, path: Path): number {
  if (value === undefined) return 0.75
  if (typeof value === 'number' && value > 0 && value < 1) return value
  reader.fault(path, 'must be a number over 0 and under 1; example: 0.75')
  return 0.75
}
