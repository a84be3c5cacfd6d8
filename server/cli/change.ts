import type { ChangeAnswer, ChangeDetailAnswer, VersionChangeAnswer } from './answers.ts'
import { expectedField, listField, standingField, timeField } from './change-fields.ts'
import { type Call, type Command, sayJson, textOption, UsageError } from './command.ts'
import { localTime, paintFor, plain, table } from './render.ts'

const actions = 'create, list, show, approve, reject, verify, close, open, link'

export const changeCommand: Command = {
  name: 'change',
  summary: 'plan, approve and verify changes; link what changed without one',
  usage:
    'create … | list | show N | approve N | reject N | verify N | close N | open | link V --change N [--json]',
  help: `A change record says who changes what on which hosts, when, and who approved it. A version that changes on a host without an
approved record is a finding, until a person links a record to it.

  create    --title TEXT, --what TEXT, --hosts LIST, --from TIME, --to TIME, --expect LIST
            hosts: instances, or role=pbx, site=…, customer=…, server=…, env=…
            expect: package:NAME=VERSION, service:…, file:PATH, kernel:running; * for any characters; without it any version may change
            times without a zone are in this machine's zone
            standing: covers what it says again and again, for at most a year; it needs --expect or --origin
            --standing; --origin security (updates the host announced as such); --daily 01:00-04:00, --days sat,sun
  list      the newest first; --state draft | approved | closed | rejected
  show      one record with its entries and what it covered
  approve   another person than who wrote it; --note TEXT
  reject    --reason TEXT
  verify    --result ok | failed, --note TEXT
  close     once it is verified; --note TEXT
  open      version changes of all hosts that no record covers
  link      V: the number that \`open\` shows; --change N, --reason TEXT
  --json    the hub's answer

Examples:
  callward change create --title 'Asterisk 20.6' --what 'Security update of asterisk' --hosts role=pbx \\
    --from '2026-03-02 22:00' --to '2026-03-03 02:00' --expect 'package:asterisk*=1:20.6.0~dfsg-1'
  callward change create --title 'Security updates' --hosts role=pbx --origin security --daily 01:00-05:00 \\
    --from '2026-03-01 00:00' --to '2026-12-31 00:00'
  callward change approve 12
  callward change verify 12 --result ok --note 'Test calls in and out'
  callward change link 7 --change 12 --reason 'Done an hour late, agreed by phone'`,
  options: {
    title: { type: 'string' },
    what: { type: 'string' },
    hosts: { type: 'string' },
    from: { type: 'string' },
    to: { type: 'string' },
    expect: { type: 'string' },
    standing: { type: 'boolean' },
    origin: { type: 'string' },
    daily: { type: 'string' },
    days: { type: 'string' },
    state: { type: 'string' },
    note: { type: 'string' },
    reason: { type: 'string' },
    result: { type: 'string' },
    change: { type: 'string' },
    json: { type: 'boolean' },
  },
  positionals: [1, 2],
  async run(call) {
    const [action, number] = call.positionals
    if (number === undefined) {
      if (action === 'create') return create(call)
      if (action === 'list') return list(call)
      if (action === 'open') return open(call)
    } else {
      const id = encodeURIComponent(number.replace(/^#/, ''))
      if (action === 'show') return shown(call, 'GET', `/api/v1/changes/${id}`)
      if (action === 'link') return link(call, id)
      const body = bodyOf(call, action)
      if (body !== undefined) return shown(call, 'POST', `/api/v1/changes/${id}/${action}`, body)
    }
    throw new UsageError(`Say what to do: ${actions}; all but create, list and open take a number.`)
  },
}

function bodyOf(call: Call, action: string | undefined): object | undefined {
  const note = textOption(call, 'note')
  if (action === 'approve' || action === 'close') return note === undefined ? {} : { note }
  if (action === 'reject') return { reason: required(call, 'reason', 'why it is rejected') }
  if (action !== 'verify') return undefined
  const result = textOption(call, 'result')
  if (result !== 'ok' && result !== 'failed')
    throw new UsageError('Say how it went: --result ok | failed')
  return { result, note: required(call, 'note', 'what was looked at') }
}

function required(call: Call, name: string, what: string): string {
  const text = textOption(call, name)
  if (text === undefined) throw new UsageError(`Say ${what}: --${name} TEXT`)
  return text
}

async function create(call: Call): Promise<number> {
  const hosts = listField(textOption(call, 'hosts'))
  if (hosts.length === 0) throw new UsageError('Say where: --hosts pbx-1,pbx-2 or --hosts role=pbx')
  const title = required(call, 'title', 'what it is in a few words')
  const text = (name: string) => textOption(call, name)
  const standing = standingField(
    {
      standing: call.values.standing === true,
      origin: text('origin'),
      daily: text('daily'),
      days: text('days'),
    },
    -new Date().getTimezoneOffset(),
  )
  return shown(call, 'POST', '/api/v1/changes', {
    title,
    description: textOption(call, 'what') ?? title,
    hosts,
    window: {
      start: timeField(textOption(call, 'from'), 'from'),
      end: timeField(textOption(call, 'to'), 'to'),
    },
    expected: expectedField(textOption(call, 'expect')),
    ...(standing === undefined ? {} : { standing }),
  })
}

async function list(call: Call): Promise<number> {
  const state = textOption(call, 'state')
  const query = state === undefined ? '' : `?state=${encodeURIComponent(state)}`
  const answer = await call
    .hub()
    .call<{ changes: ChangeAnswer[] }>('GET', `/api/v1/changes${query}`)
  if (call.values.json === true) sayJson(call, answer)
  else if (answer.changes.length === 0)
    call.say('There is no such change record. Make one with: callward change create --help')
  else {
    const rows = answer.changes.map((change) => [
      `#${change.number}`,
      change.state.toUpperCase(),
      change.title,
      change.hosts.join(', '),
      localTime(change.window.start),
      localTime(change.window.end),
      change.requestedBy,
      change.approvedBy ?? '-',
    ])
    const head = ['NUMBER', 'STATE', 'TITLE', 'HOSTS', 'FROM', 'TO', 'REQUESTED BY', 'APPROVED BY']
    table(call, head, rows)
  }
  return 0
}

async function open(call: Call): Promise<number> {
  const answer = await call
    .hub()
    .call<{ versionChanges: VersionChangeAnswer[] }>('GET', '/api/v1/version-changes?state=open')
  if (call.values.json === true) sayJson(call, answer)
  else if (answer.versionChanges.length === 0)
    call.say('Every version change is covered by a change record.')
  else for (const one of answer.versionChanges) sayVersionChange(call, one)
  return 0
}

async function link(call: Call, id: string): Promise<number> {
  const change = required(call, 'change', 'which record it belongs to (its number)').replace(
    /^#/,
    '',
  )
  const body = { change, reason: required(call, 'reason', 'why it happened outside the record') }
  const path = `/api/v1/version-changes/${id}/link`
  const answer = await call.hub().call<{ versionChange: VersionChangeAnswer }>('POST', path, body)
  if (call.values.json === true) sayJson(call, answer)
  else sayVersionChange(call, answer.versionChange)
  return 0
}

async function shown(
  call: Call,
  method: 'GET' | 'POST',
  path: string,
  body?: object,
): Promise<number> {
  const answer = await call.hub().call<{ change: ChangeDetailAnswer }>(method, path, body)
  if (call.values.json === true) sayJson(call, answer)
  else show(call, answer.change)
  return 0
}

function show(call: Call, change: ChangeDetailAnswer): void {
  const paint = paintFor(call.terminal)
  const field = (name: string, value: string) => call.say(`  ${name.padEnd(14)}${value}`)
  call.say(`#${change.number}  ${plain(change.title)}`)
  field('state', paint(change.state, change.state))
  field('what', plain(change.description))
  field('hosts', plain(change.hosts.join(', ')))
  field('window', `${localTime(change.window.start)} to ${localTime(change.window.end)}`)
  const expected = change.expected.map(
    ({ kind, subject, to }) => `${kind} ${subject}${to === undefined ? '' : ` to ${to}`}`,
  )
  const any =
    change.standing?.origin === undefined ? 'any version may change' : 'what was announced as such'
  field('expected', expected.length === 0 ? any : plain(expected.join(', ')))
  if (change.standing !== null) field('standing', plain(standingText(change.standing)))
  field('requested', `${localTime(change.requestedAt)} by ${plain(change.requestedBy)}`)
  field(
    'approved',
    change.approvedBy === null
      ? '-'
      : `${localTime(change.approvedAt)} by ${plain(change.approvedBy)}`,
  )
  const { verification } = change
  field(
    'verified',
    verification === null
      ? '-'
      : `${verification.result}, ${localTime(verification.at)} by ${plain(verification.by)}: ${plain(verification.note)}`,
  )
  call.say('\nEntries')
  const corrected = new Set(change.entries.map(({ supersedes }) => supersedes))
  for (const { id, kind, recordedAt, recordedBy } of change.entries) {
    const mark = corrected.has(id) ? '  (corrected later)' : ''
    call.say(`  ${localTime(recordedAt)}  ${plain(kind).padEnd(10)} [${plain(recordedBy)}]${mark}`)
  }
  if (change.versionChanges.length === 0) return
  call.say('\nOn hosts')
  for (const one of change.versionChanges) sayVersionChange(call, one)
}

function standingText({ origin, hours }: NonNullable<ChangeAnswer['standing']>): string {
  const what = origin === undefined ? 'again and again' : `${origin} updates`
  if (hours === undefined) return `${what}, at any time`
  const days = hours.days === undefined ? 'daily' : hours.days.join(', ')
  return `${what}, ${days} ${hours.from} to ${hours.to} (${hours.zone})`
}

function sayVersionChange(call: Call, one: VersionChangeAnswer): void {
  const paint = paintFor(call.terminal)
  call.say(
    `version change ${one.number}  ${paint(one.state, one.state)}  ${plain(one.instance)}  ${localTime(one.detectedAt)}`,
  )
  for (const { kind, subject, from, to, covered } of one.items) {
    const mark = covered ? '' : '  (not covered)'
    const line = plain(`${kind} ${subject}: ${from ?? 'not there'} -> ${to ?? 'not there'}`)
    call.say(`  ${line}${mark}`)
  }
  if (one.omitted > 0) call.say(`  and ${one.omitted} more`)
  for (const { change, kind, by, reason } of one.links)
    call.say(`  ${kind} to change #${change.number} by ${plain(by)}: ${plain(reason)}`)
}
