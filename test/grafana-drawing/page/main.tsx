import '@fontsource/inter/latin-400.css'
import '@fontsource/inter/latin-500.css'
import { createTheme, ThemeContext } from '@grafana/data'
import { GlobalStyles, PortalContainer } from '@grafana/ui'
import { createRoot } from 'react-dom/client'
import { MemoryRouter } from 'react-router-dom'
import { type Board, type Repeated, repeatedOf, type Span, sceneOf } from './board-scene.ts'
import { labelValues } from './data-source.ts'
import { startServices } from './services.ts'
import { asked, told } from './told.ts'

declare global {
  interface Window {
    /** Put there before the page begins. */
    readonly wanted: { readonly board: Board; readonly span: Span }
    /** Read when the picture is taken. */
    drawn?: {
      readonly asked: typeof asked
      readonly told: typeof told
      readonly repeated: Repeated
    }
  }
}

const { board, span } = window.wanted
await startServices()
// Texts are measured before they are drawn.
await Promise.all([400, 500].map((weight) => document.fonts.load(`${weight} 14px Inter`)))
const repeated = await repeatedOf(board, (query) =>
  labelValues(query, span.from / 1000, span.to / 1000),
)
window.drawn = { asked, told, repeated }
const scene = sceneOf(board, span, repeated)
const theme = createTheme({ colors: { mode: 'light' } })

createRoot(document.getElementById('board')!).render(
  <ThemeContext.Provider value={theme}>
    <GlobalStyles />
    <MemoryRouter>
      <scene.Component model={scene} />
      <PortalContainer />
    </MemoryRouter>
  </ThemeContext.Provider>,
)
