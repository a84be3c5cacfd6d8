import type { Catalogue, Language } from './catalogue.ts'
import { en } from './en.ts'
import { ru } from './ru.ts'
import { vi } from './vi.ts'
import { zh } from './zh.ts'

/** Every language's texts. */
export const catalogues: Readonly<Record<Language, Catalogue>> = { en, zh, vi, ru }
