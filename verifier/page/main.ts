import { verdictLine } from '../report-text.ts'
import {
  type Check,
  limits,
  type Report,
  readCheckpoint,
  readVerifierKey,
  type Trust,
  Unreadable,
  verifyBundle,
} from '../verify.ts'
import { type Language, words } from '../words.ts'

const languages = Object.keys(words) as Language[]
let language: Language = preferred()
let dropped: File | undefined
let latest: { readonly report?: Report; readonly fault?: string } = {}
/** What was typed stays when the language changes. */
let typed = { key: '', witnesses: '' }

function preferred(): Language {
  const short = navigator.languages.map((one) => one.slice(0, 2))
  return languages.find((one) => short.includes(one)) ?? 'en'
}

/** An element with its text; never markup, since a bundle may hold anything. */
function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Readonly<Record<string, string>> = {},
  ...content: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(name)
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value)
  made.append(...content)
  return made
}

function draw(): void {
  const say = words[language]
  document.documentElement.lang = language
  document.title = say.title
  const main = document.getElementById('main') as HTMLElement
  main.replaceChildren(
    languageChoice(),
    element('h1', {}, say.title),
    element('p', {}, say.intro),
    element('p', {}, element('small', {}, say.offline)),
    form(),
    element('output', { id: 'result', 'aria-live': 'polite' }, ...result()),
    element('p', {}, element('small', {}, say.limits)),
  )
}

function languageChoice(): HTMLElement {
  const choice = element('select', { 'aria-label': 'Language · 语言 · Ngôn ngữ · Язык' })
  for (const one of languages) choice.append(element('option', { value: one }, words[one].language))
  choice.value = language
  choice.addEventListener('change', () => {
    typed = readTyped()
    language = choice.value as Language
    draw()
  })
  return choice
}

function form(): HTMLElement {
  const say = words[language]
  const bundle = element('input', { id: 'bundle', type: 'file', accept: '.zip' })
  bundle.addEventListener('change', () => {
    dropped = bundle.files?.[0]
    drawName()
  })
  const drop = element(
    'div',
    { id: 'drop' },
    element('span', { id: 'name' }, dropped?.name ?? say.drop),
    bundle,
  )
  acceptDrops(drop)
  const key = element('input', {
    id: 'key',
    type: 'text',
    autocomplete: 'off',
    spellcheck: 'false',
  })
  key.value = typed.key
  const witnesses = element('textarea', { id: 'witnesses', rows: '2', spellcheck: 'false' })
  witnesses.value = typed.witnesses
  const button = element('button', { type: 'button', id: 'verify' }, say.verify)
  button.addEventListener('click', () => void verify())
  return element(
    'div',
    {},
    element('label', { for: 'bundle' }, say.bundle),
    drop,
    element('label', { for: 'key' }, say.key),
    key,
    element('small', {}, say.keyHint),
    element('label', { for: 'older' }, say.older),
    element('input', { id: 'older', type: 'file' }),
    element('label', { for: 'witnesses' }, say.witness),
    witnesses,
    button,
  )
}

function acceptDrops(drop: HTMLElement): void {
  const over = (event: DragEvent) => {
    event.preventDefault()
    drop.classList.toggle('over', event.type === 'dragover')
  }
  drop.addEventListener('dragover', over)
  drop.addEventListener('dragleave', over)
  drop.addEventListener('drop', (event) => {
    over(event)
    dropped = event.dataTransfer?.files[0]
    drawName()
  })
  // A file dropped beside it must not replace the page.
  for (const name of ['dragover', 'drop'])
    window.addEventListener(name, (event) => event.preventDefault())
}

function drawName(): void {
  const name = document.getElementById('name')
  if (name !== null) name.textContent = dropped?.name ?? words[language].drop
}

function readTyped() {
  const value = (id: string) =>
    (document.getElementById(id) as HTMLInputElement | HTMLTextAreaElement).value.trim()
  return { key: value('key'), witnesses: value('witnesses') }
}

async function verify(): Promise<void> {
  const say = words[language]
  typed = readTyped()
  show({ fault: say.working })
  try {
    if (dropped === undefined) throw new Unreadable(say.noFile)
    if (dropped.size > limits.fileBytes) throw new Unreadable(`${limits.fileBytes} B`)
    const trust = await trustOf()
    show({ report: await verifyBundle(new Uint8Array(await dropped.arrayBuffer()), trust) })
  } catch (error) {
    const reason = error instanceof Unreadable ? error.message : String(error)
    show({ fault: reason === say.noFile ? reason : `${say.cannotRead} ${reason}` })
  }
}

async function trustOf(): Promise<Trust> {
  const say = words[language]
  const keyOf = (text: string) => {
    const key = readVerifierKey(text)
    if (key === undefined) throw new Unreadable(`${say.badKey} ${text}`)
    return key
  }
  const [file] = (document.getElementById('older') as HTMLInputElement).files ?? []
  const older = file === undefined ? undefined : readCheckpoint(await file.text())
  if (file !== undefined && older === undefined) throw new Unreadable(say.badNote)
  return {
    ...(typed.key === '' ? {} : { key: keyOf(typed.key) }),
    ...(older === undefined ? {} : { older }),
    witnesses: typed.witnesses.split('\n').filter(Boolean).map(keyOf),
  }
}

function show(next: typeof latest): void {
  latest = next
  document.getElementById('result')?.replaceChildren(...result())
}

function result(): Node[] {
  const { report, fault } = latest
  if (fault !== undefined) return [element('p', { id: 'verdict' }, fault)]
  if (report === undefined) return []
  const say = words[language]
  return [
    element('p', { id: 'verdict', class: report.verdict }, verdictLine(report, language)),
    element('p', {}, `${say.log}: ${report.origin}`),
    element('p', {}, `${say.asked}: ${report.asked}, ${say.made} ${report.madeAt}`),
    element('p', {}, `${say.checkpoint}: ${report.size}, ${report.root}`),
    ...report.checks.map(checkView),
  ]
}

function checkView({ id, state, said, faults, flags, unnamed }: Check): HTMLElement {
  const say = words[language]
  const list = element('ul')
  for (const fault of faults) list.append(element('li', {}, `! ${fault}`))
  for (const flag of flags) list.append(element('li', {}, flag))
  if (unnamed > 0) list.append(element('li', {}, say.more(unnamed)))
  return element(
    'section',
    { class: state === 'not checked' ? 'unchecked' : state, 'data-check': id },
    element('h2', {}, element('span', { class: 'mark' }, `${say.marks[state]}: `), say.checks[id]),
    element('p', {}, said),
    ...(list.childElementCount === 0 ? [] : [list]),
  )
}

draw()
