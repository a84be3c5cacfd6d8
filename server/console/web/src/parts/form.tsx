import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { ApiError } from '../api.ts'
import { t } from '../i18n/language.ts'

interface Props {
  readonly submit: string
  readonly children: ComponentChildren
  /** Throws what could not be done; the hub's own sentence is shown. */
  readonly act: () => Promise<void>
}

/** A form that is busy while it is sent, and says above its button what went wrong. */
export function Form({ submit, children, act }: Props) {
  const busy = useSignal(false)
  const problem = useSignal<string | null>(null)
  const send = async (event: Event) => {
    event.preventDefault()
    if (busy.value) return
    busy.value = true
    problem.value = null
    try {
      await act()
    } catch (error) {
      problem.value = sentence(error)
    } finally {
      busy.value = false
    }
  }
  return (
    <form class="link-form" onSubmit={send}>
      {children}
      {problem.value !== null && (
        <p class="problem" role="alert">
          {problem.value}
        </p>
      )}
      <button type="submit" class="primary" aria-disabled={busy.value}>
        {submit}
      </button>
    </form>
  )
}

/** The hub's own words: of an account they say what to do. */
export function sentence(error: unknown): string {
  if (!(error instanceof ApiError)) return error instanceof Error ? error.message : String(error)
  return error.status === 0 ? t('error.unreachable') : error.message
}
