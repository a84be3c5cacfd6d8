import { effect, signal } from '@preact/signals'
import { get } from './api.ts'
import { liveStatus } from './live.ts'

const everyMs = 15_000

/** People with an open console or terminal; null before the hub has told. */
export const peopleConnected = signal<number | null>(null)

/** Keeps the number fresh while something shows it and the tab is seen; returns what ends that. */
export function watchPresence(): () => void {
  const load = () => {
    if (document.hidden) return
    get<{ people: number }>('/api/v1/live/listeners').then(
      ({ people }) => {
        peopleConnected.value = people
      },
      () => {
        peopleConnected.value = null // an old number would be taken for the present one
      },
    )
  }
  // This tab counts itself once it is connected.
  const endEffect = effect(() => {
    if (liveStatus.value !== 'connecting') load()
  })
  const timer = setInterval(load, everyMs)
  document.addEventListener('visibilitychange', load)
  return () => {
    endEffect()
    clearInterval(timer)
    document.removeEventListener('visibilitychange', load)
  }
}
