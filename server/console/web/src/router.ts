import { computed, signal } from '@preact/signals'
import { parseRoute } from './routes.ts'

const address = signal(location.pathname + location.search)

/** The page shown now; null when the console has no such page. */
export const route = computed(() => parseRoute(address.value))

/** Goes to another page of the console without loading a document. */
export function navigate(path: string, how: 'push' | 'replace' = 'push'): void {
  if (how === 'push') history.pushState(null, '', path)
  else history.replaceState(null, '', path)
  const samePage = path.split('?')[0] === address.value.split('?')[0]
  focusWished = !samePage
  address.value = path
  if (!samePage) window.scrollTo(0, 0)
}

let focusWished = false

/** True once after a change of page: for the heading that is drawn next, be it after its data came. */
export function takeFocusWish(): boolean {
  const wished = focusWished
  focusWished = false
  return wished
}

/** Lets plain clicks on links to console pages stay inside the console. */
export function startRouter(): void {
  window.addEventListener('popstate', () => {
    address.value = location.pathname + location.search
  })
  document.addEventListener('click', (event) => {
    if (event.defaultPrevented || event.button !== 0) return
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    const link = (event.target as Element | null)?.closest('a')
    if (link?.target !== '' || link.origin !== location.origin || link.hash !== '') return
    const path = link.pathname + link.search
    if (parseRoute(path) === null) return
    event.preventDefault()
    navigate(path)
  })
}
