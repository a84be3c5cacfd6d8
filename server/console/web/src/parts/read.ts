import { type Signal, useComputed, useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { getKept } from '../kept.ts'
import { changes, now } from '../state.ts'

const everyMs = 60_000

/**
 * What a route of the opened incident says, read anew with each change of an incident and once a minute. What was read last
 * stays when that fails, and is kept on this device.
 */
export function useRead<T>(path: string): {
  readonly answer: Signal<T | null>
  readonly error: Signal<unknown>
  readonly again: () => void
} {
  const answer = useSignal<T | null>(null)
  const error = useSignal<unknown>(null)
  const asked = useSignal(0)
  const minute = useComputed(() => Math.floor(now.value / everyMs))
  const reason = `${changes.incidents.value} ${asked.value} ${minute.value}`
  // The reason is why it is read again.
  useEffect(() => {
    let current = true
    getKept<T>(path)
      .then((read) => {
        if (!current) return
        answer.value = read
        error.value = null
      })
      .catch((problem: unknown) => {
        if (current) error.value = problem
      })
    return () => {
      current = false
    }
  }, [path, reason])
  return {
    answer,
    error,
    again: () => {
      asked.value++
    },
  }
}
