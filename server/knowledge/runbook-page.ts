import { createHash } from 'node:crypto'
import MarkdownIt from 'markdown-it'
import type { Runbook } from './runbook.ts'

/** Raw HTML of a file is shown as text. */
const markdown = new MarkdownIt({ html: false, linkify: false })

const style = `:root{color-scheme:light dark;--ink:#1b1f24;--paper:#fff;--soft:#5b6570;--line:#d5dae0;--code:#f2f4f6;--link:#0b57b0}
@media(prefers-color-scheme:dark){:root{--ink:#e4e7ea;--paper:#14171a;--soft:#a3adb8;--line:#363c43;--code:#20252a;--link:#8ab8f5}}
body{margin:0 auto;padding:1.5rem 1rem 4rem;max-width:46rem;font:1rem/1.55 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
h1{font-size:1.6rem;line-height:1.25;margin:.2rem 0}h2{font-size:1.15rem;margin:2rem 0 .5rem;border-bottom:1px solid var(--line);padding-bottom:.2rem}
a{color:var(--link)}.meta{color:var(--soft);margin:0 0 1rem}ol.steps{padding-left:1.4rem}ol.steps li{margin:.25rem 0}
code{font:.92em/1.4 ui-monospace,monospace;background:var(--code);padding:.1em .3em;border-radius:3px}
pre{background:var(--code);padding:.8rem;overflow-x:auto;border-radius:4px}pre code{padding:0;background:none}
table{border-collapse:collapse}td,th{border:1px solid var(--line);padding:.3rem .6rem;text-align:left}
footer{margin-top:3rem;color:var(--soft);font-size:.85rem;overflow-wrap:anywhere}
@media print{body{max-width:none;color:#000;background:#fff}}`

/** Lets the page's own style apply and nothing else load or run. */
export const runbookPagePolicy = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`

/** A runbook as a page that needs nothing else: it prints, and reads well on a phone at night. */
export function runbookPage(runbook: Runbook): string {
  const steps = runbook.steps
    .map(({ id, text }) => `<li id="step-${escaped(id)}">${escaped(text)}</li>`)
    .join('\n')
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(runbook.title)} · ${escaped(runbook.name)}</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>${escaped(runbook.title)}</h1>
<p class="meta">${escaped(runbook.alert)} · ${escaped(runbook.severity)} · ${escaped(runbook.roles.join(', '))} · about ${runbook.estimatedMinutes} minutes</p>
<ol class="steps">
${steps}
</ol>
${markdown.render(runbook.body)}${more(runbook)}
</main>
<footer>Version ${runbook.hash}. An incident keeps the version it was handled by.</footer>
</body>
</html>
`
}

const languageTags: Readonly<Record<string, string>> = { zh: 'zh-CN' }

/** What stands in the front matter beside the steps. */
function more({ checks, contacts, customerText }: Runbook): string {
  const list = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? '' : `\n<h2>${title}</h2>\n<ul>\n${lines.join('\n')}\n</ul>`
  const query = (text: string | undefined) =>
    text === undefined ? '' : `<br><code>${escaped(text)}</code>`
  return [
    list(
      'Checks',
      checks.map(
        (one) => `<li id="check-${escaped(one.id)}">${escaped(one.text)}${query(one.query)}</li>`,
      ),
    ),
    list(
      'Contacts',
      contacts.map(({ who, how }) => `<li>${escaped(who)}: ${escaped(how)}</li>`),
    ),
    list(
      'What customers may be told',
      Object.entries(customerText).map(
        ([language, text]) =>
          `<li lang="${languageTags[language] ?? language}">${escaped(text)}</li>`,
      ),
    ),
  ].join('')
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
