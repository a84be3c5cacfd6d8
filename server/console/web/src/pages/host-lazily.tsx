import { signal } from '@preact/signals'
import { t } from '../i18n/language.ts'

type HostModule = typeof import('./host.tsx')

const loadedModule = signal<HostModule | null>(null)
const failed = signal(false)

/** The host page with its curves comes in a file of its own, so that the overview is there sooner. */
export function HostLazily({ instance }: { instance: string }) {
  if (loadedModule.value) return <loadedModule.value.Host instance={instance} />
  if (!failed.value) void load()
  return <p class="empty">{t(failed.value ? 'error.unreachable' : 'loading')}</p>
}

async function load(): Promise<void> {
  try {
    loadedModule.value = await import('./host.tsx')
  } catch {
    failed.value = true // the hub was updated or is away: a new document has the file's new name
    setTimeout(() => location.reload(), 5000)
  }
}
