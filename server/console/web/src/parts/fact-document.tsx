import { bytes, duration, fullTime } from '../i18n/format.ts'
import { language } from '../i18n/language.ts'

const rowsShown = 200
const columnsShown = 8
const termsShown = 500
const depthShown = 4

/** Any inventory document of a collector: objects as lists of terms, arrays of objects as tables. */
export function FactDocument({ document, depth = 0 }: { document: unknown; depth?: number }) {
  if (Array.isArray(document)) return <FactArray items={document} depth={depth} />
  if (!isObject(document) || depth >= depthShown) return <span>{scalarText('', document)}</span>
  const entries = Object.entries(document).filter(([, value]) => value !== null && value !== '')
  return (
    <dl class="terms">
      {entries.slice(0, termsShown).map(([name, value]) => (
        <div key={name} class={isNested(value) ? 'wide' : undefined}>
          <dt>{words(name)}</dt>
          <dd>
            {isNested(value) ? (
              <FactDocument document={value} depth={depth + 1} />
            ) : (
              scalarText(name, value)
            )}
          </dd>
        </div>
      ))}
      {entries.length > termsShown && <div>… {entries.length - termsShown}</div>}
    </dl>
  )
}

function FactArray({ items, depth }: { items: readonly unknown[]; depth: number }) {
  if (!items.some(isObject))
    return <span>{items.map((item) => scalarText('', item)).join(', ')}</span>
  const rows = items.filter(isObject)
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))].slice(0, columnsShown)
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
    <div class="scroll" tabIndex={0}>
      <table>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column} scope="col">
                {words(column)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, rowsShown).map((row, index) => (
            <tr key={index}>
              {columns.map((column) => (
                <td key={column}>
                  {isNested(row[column]) ? (
                    <FactDocument document={row[column]} depth={depth + 2} />
                  ) : (
                    scalarText(column, row[column])
                  )}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > rowsShown && <p class="muted">… {rows.length - rowsShown}</p>}
    </div>
  )
}

type Dictionary = Readonly<Record<string, unknown>>

function isObject(value: unknown): value is Dictionary {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isNested(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : isObject(value)
}

/** `totalBytes` -> "total", since the value then carries its unit; `serialNumber` -> "serial number". */
function words(name: string): string {
  const bare = name.replace(/(Bytes|Seconds)$/, '')
  return (bare === '' ? name : bare)
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replace(/[_-]+/g, ' ')
    .toLowerCase()
}

function scalarText(name: string, value: unknown): string {
  if (value === null || value === undefined || value === '') return '–'
  if (Array.isArray(value)) return '–'
  if (typeof value === 'number' && /bytes$/i.test(name)) return bytes(language.value, value)
  if (typeof value === 'number' && /seconds$/i.test(name)) return duration(language.value, value)
  if (typeof value === 'string' && /At$/.test(name) && /^\d{4}-\d{2}-\d{2}T/.test(value)) {
    return fullTime(language.value, value)
  }
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
