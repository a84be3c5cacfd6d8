import { navigate, route } from '../router.ts'

/** The id of the line in which words are typed. */
export const searchFieldId = 'search-words'

/** `/` leads to the search from every page, except where it is typed into something. */
export function startSearchKey(): void {
  document.addEventListener('keydown', (event) => {
    if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey) return
    if (event.defaultPrevented || isTyped(event.target)) return
    const page = route.peek()?.page
    if (page === 'sign-in' || page === 'welcome') return
    event.preventDefault()
    if (page === 'search') document.getElementById(searchFieldId)?.focus()
    else navigate('/search')
  })
}

function isTyped(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false
  return target.isContentEditable || /^(?:INPUT|TEXTAREA|SELECT)$/.test(target.tagName)
}
