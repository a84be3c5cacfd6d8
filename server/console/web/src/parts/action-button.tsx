import { useSignal } from '@preact/signals'
import type { ComponentType } from 'preact'
import { explain } from '../api.ts'

interface Props {
  readonly label: string
  /** What a screen reader says, where the label alone does not name the thing. */
  readonly accessibleLabel?: string
  readonly kind?: 'primary' | 'plain'
  readonly act: () => Promise<void>
  /** Says what went wrong; one sentence unless another is given. */
  readonly failure?: ComponentType<{ error: unknown }>
}

/** A button that is busy while its action runs and says below itself what went wrong. */
export function ActionButton({
  label,
  accessibleLabel,
  kind = 'plain',
  act,
  failure: Failure = Problem,
}: Props) {
  const busy = useSignal(false)
  const error = useSignal<unknown>(null)
  const press = async () => {
    if (busy.value) return
    busy.value = true
    error.value = null
    try {
      await act()
    } catch (problem) {
      error.value = problem
    } finally {
      busy.value = false
    }
  }
  return (
    <div class="action">
      <button
        type="button"
        class={kind}
        aria-label={accessibleLabel}
        aria-disabled={busy.value}
        onClick={press}
      >
        {label}
      </button>
      {error.value !== null && <Failure error={error.value} />}
    </div>
  )
}

/** An error where the reader looks, said aloud. */
export function Problem({ error }: { error: unknown }) {
  return (
    <span class="problem" role="alert">
      {explain(error)}
    </span>
  )
}
