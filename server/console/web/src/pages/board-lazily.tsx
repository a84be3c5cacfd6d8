import { signal } from '@preact/signals'
import { t } from '../i18n/language.ts'

type BoardModule = typeof import('./board.tsx')

const loadedModule = signal<BoardModule | null>(null)
const failed = signal(false)

/** The boards' drawing comes in a file of its own, so that the overview is there sooner. */
export function BoardLazily({ board, query }: { board: string; query: string }) {
  if (loadedModule.value) return <loadedModule.value.Board board={board} query={query} />
  if (!failed.value) void load()
  return <p class="empty">{t(failed.value ? 'error.unreachable' : 'loading')}</p>
}

async function load(): Promise<void> {
  try {
    loadedModule.value = await import('./board.tsx')
  } catch {
    failed.value = true // the hub was updated or is away: a new document has the file's new name
    setTimeout(() => location.reload(), 5000)
  }
}
