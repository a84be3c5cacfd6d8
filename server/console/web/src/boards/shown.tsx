import type { LinkDefinition } from '../../../../../dashboards/drawing/definition.ts'
import type { Reader, Tone } from '../../../../../dashboards/drawing/judged.ts'
import { addressOf } from '../../../../../dashboards/drawing/links.ts'
import { languageTags } from '../i18n/catalogue.ts'
import { language, t } from '../i18n/language.ts'
import { parseRoute } from '../routes.ts'
import type { Scene } from './scene.ts'

const toneClasses: Readonly<Record<Tone, string>> = {
  good: 'tone-ok',
  attention: 'tone-warning',
  bad: 'tone-critical',
  unknown: 'tone-silent',
  silent: 'tone-simulated',
  note: 'tone-info',
  plain: '',
}

/** The class that gives a text its tone's colour. */
export function toneClass(tone: Tone): string {
  return toneClasses[tone]
}

const toneColours: Readonly<Record<Tone, string>> = {
  good: '--ok',
  attention: '--warning',
  bad: '--critical',
  unknown: '--silent',
  silent: '--simulated',
  note: '--info',
  plain: '--text',
}

/** The custom property that holds a tone's colour. */
export function toneColour(tone: Tone): string {
  return toneColours[tone]
}

/** How values are written for whoever reads now. */
export function reader(scene: Scene): Reader {
  return { language: languageTags[language.value], now: scene.now }
}

/** What stands where a panel has nothing to show: that it waits for its source, or the board's own words. */
export function nothingText(noValue: string | undefined): string {
  if (noValue === 'no source yet') return t('boards.awaited')
  return noValue === undefined || noValue === 'no data' ? t('boards.noData') : noValue
}

export function Nothing({ noValue }: { noValue: string | undefined }) {
  return <p class="panel-nothing muted">{nothingText(noValue)}</p>
}

/**
 * A label or cell that leads to the first of its links with an address; the others that are about it stand behind it.
 * Links that are about the whole panel stand in what the panel says of itself.
 */
export function Linked({
  text,
  links = [],
  labels,
  scene,
}: {
  text: string
  links?: readonly LinkDefinition[] | undefined
  labels: Readonly<Record<string, string | number>>
  scene: Scene
}) {
  const ofThis = links.filter(({ url }) => url.includes('${__field.') || url.includes('${__data.'))
  const wanted = ofThis.length > 0 ? ofThis : links.slice(0, 1)
  const found = wanted.flatMap(({ title, url }) => {
    const href = addressOf(url, { ...scene, labels })
    return href === undefined ? [] : [{ title, href }]
  })
  const [first, ...others] = found
  if (first === undefined) return <>{text}</>
  return (
    <>
      <HubLink href={first.href} title={first.title} text={text} />
      {others.map(({ title, href }) => (
        <HubLink key={href} href={href} title={`${title}: ${text}`} text=" ↗" />
      ))}
    </>
  )
}

/** A link to a page of the hub; one that is none of the console's opens beside it. */
function HubLink({ href, title, text }: { href: string; title: string; text: string }) {
  const inside = parseRoute(href) !== null
  return (
    <a
      href={href}
      title={title}
      aria-label={text.trim() === '↗' ? title : undefined}
      {...(inside ? {} : { target: '_blank', rel: 'noopener' })}
    >
      {text}
    </a>
  )
}
