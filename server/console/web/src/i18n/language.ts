import { computed, signal } from '@preact/signals'
import {
  chooseLanguage,
  fill,
  type Language,
  languageTags,
  type Message,
  type MessageKey,
  type Values,
} from './catalogue.ts'
import { catalogues } from './catalogues.ts'
import { reasonIn } from './reasons.ts'

const storageKey = 'callward.language'

function stored(): string | null {
  try {
    return localStorage.getItem(storageKey)
  } catch {
    return null // storage is switched off: the browser's languages decide
  }
}

/** The language shown now. */
export const language = signal<Language>(chooseLanguage(stored(), navigator.languages))

/** Shows the console in another language and remembers it in this browser. */
export function setLanguage(next: Language): void {
  language.value = next
  try {
    localStorage.setItem(storageKey, next)
  } catch {
    // storage is switched off: the choice lasts as long as the tab
  }
}

const catalogue = computed(() => catalogues[language.value])

language.subscribe((value) => {
  document.documentElement.lang = languageTags[value]
})

/**
 * The text for a key in the language shown now; a component that calls it follows a change of language. A word that a newer
 * hub says and this catalogue lacks is shown as the hub says it.
 */
export function t(key: MessageKey, values?: Values): string {
  const message: Message | undefined = catalogue.value[key]
  return message === undefined
    ? key.slice(key.lastIndexOf('.') + 1)
    : fill(language.value, message, values)
}

/** Why somebody was or was not told, in the language shown now. */
export const reasonText = (text: string): string => reasonIn(language.value, text)
