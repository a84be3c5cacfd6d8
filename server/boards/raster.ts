import { createRequire } from 'node:module'
import { Resvg, type ResvgRenderOptions } from '@resvg/resvg-js'

/** Fonts that come with the program: Latin, Vietnamese, Cyrillic and Greek, regular and bold. */
const own = ['DejaVuSans.ttf', 'DejaVuSans-Bold.ttf'].map((name) =>
  createRequire(import.meta.url).resolve(`dejavu-fonts-ttf/ttf/${name}`),
)

/** Sans-serif fonts with Chinese, the best first; where none is there, whatever font has the character. */
const others =
  "'Noto Sans CJK SC', 'Noto Sans SC', 'Source Han Sans SC', 'WenQuanYi Micro Hei', 'WenQuanYi Zen Hei', 'Microsoft YaHei', 'PingFang SC', sans-serif"

/** Characters that our own fonts may lack. */
const beyond =
  /[^\t\n\u0020-\u052f\u1e00-\u1eff\u2000-\u206f\u20a0-\u20bf\u2100-\u22ff\u2500-\u25ff\ufffd]+/gu

/** A picture as PNG, or the characters that no font on this machine has. */
export type Raster =
  | { readonly kind: 'png'; readonly png: Uint8Array }
  | { readonly kind: 'no_font'; readonly characters: readonly string[] }

/** Characters that a font of this machine was found to have. */
const seen = new Set<string>()
/** More than a picture has; the rest is looked up again. */
const mostSeen = 20_000

/**
 * An SVG of `dashboards/drawing` as PNG, `scale` pixels for each of its own. The machine's fonts are read only for texts that ours do not
 * have: that takes some tenths of a second. Blocks its thread.
 */
export function rasterOf(svg: string, scale: number): Raster {
  const texts = svg.match(/<text [^>]*>[^<]*<\/text>/g) ?? []
  const characters = new Set(texts.flatMap((text) => text.match(beyond) ?? []).join(''))
  const options: ResvgRenderOptions = {
    font: {
      loadSystemFonts: characters.size > 0,
      fontFiles: own,
      defaultFontFamily: 'DejaVu Sans',
      sansSerifFamily: 'DejaVu Sans',
    },
    fitTo: { mode: 'zoom', value: scale },
    logLevel: 'off',
  }
  const missing = missingOf(characters, options)
  if (missing.length > 0) return { kind: 'no_font', characters: missing }
  const said = svg.replace(
    /(<text [^>]*>)([^<]*)(<\/text>)/g,
    (_whole, start: string, words: string, end: string) =>
      start + words.replace(beyond, inOtherFont) + end,
  )
  return { kind: 'png', png: new Resvg(said, options).render().asPng() }
}

function inOtherFont(words: string): string {
  return `<tspan font-family="${others}">${words}</tspan>`
}

/** A character no font has. */
const nobodys = '\u{10fffd}'

/** Those that are drawn as the sign for what a font lacks. */
function missingOf(characters: ReadonlySet<string>, options: ResvgRenderOptions): string[] {
  const asked = [...characters].filter((one) => !seen.has(one) && !/\s/u.test(one))
  if (asked.length === 0) return []
  const shapes = [nobodys, ...asked].map((one) => `<text y="12">${inOtherFont(one)}</text>`)
  const paths = outlines(shapes, options)
  const lacking = paths[0]
  const missing = asked.filter((_, index) => paths[index + 1] === lacking)
  if (seen.size > mostSeen) seen.clear()
  for (const one of asked) if (!missing.includes(one)) seen.add(one)
  return missing
}

/** What each text is drawn as, one by one; empty for one that draws nothing. */
function outlines(texts: readonly string[], options: ResvgRenderOptions): readonly string[] {
  const groups = texts.map((text, index) => `<g id="t${index}" opacity="0.99">${text}</g>`)
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20">${groups.join('')}</svg>`
  const drawn = new Resvg(svg, options).toString()
  return texts.map((_, index) => {
    const from = drawn.indexOf(`id="t${index}"`)
    const to = drawn.indexOf(`id="t${index + 1}"`)
    const part = from < 0 ? '' : drawn.slice(from, to < 0 ? undefined : to)
    return [...part.matchAll(/ d="([^"]*)"/g)].map(([, path]) => path).join(' ')
  })
}
