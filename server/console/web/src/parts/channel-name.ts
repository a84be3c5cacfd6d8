import type { MessageKey } from '../i18n/catalogue.ts'
import { t } from '../i18n/language.ts'

/** Name of a channel in the reader's language; a newer hub's by its own word. */
export function channelName(name: string): string {
  return t(`channelName.${name}` as MessageKey)
}
