import { signal } from '@preact/signals'
import type { AlertSeverity } from './api-types.ts'
import { t } from './i18n/language.ts'

const storageKey = 'callward.sound'

/** Whether this browser is to ring for pages. */
export const soundWanted = signal(stored() !== 'off')
/** Browsers let a page ring only after the first click or key. */
export const soundReady = signal(false)

/** What the browser says of notifications; `unavailable`: none here, or the hub is not reached by https. */
export const notifications = signal<NotificationPermission | 'unavailable'>(
  'Notification' in window && isSecureContext ? Notification.permission : 'unavailable',
)

let audio: AudioContext | null = null

function stored(): string | null {
  try {
    return localStorage.getItem(storageKey)
  } catch {
    return null // storage is switched off: the sound is on
  }
}

/** Waits for the first click or key, after which the browser lets this tab ring. */
export function startSound(): void {
  const unlock = () => {
    audio ??= new AudioContext()
    void audio.resume().then(() => {
      soundReady.value = audio?.state === 'running'
      if (!soundReady.value) return
      removeEventListener('pointerdown', unlock)
      removeEventListener('keydown', unlock)
    })
  }
  addEventListener('pointerdown', unlock)
  addEventListener('keydown', unlock)
}

/** Switches the sound; on, it rings once so that one hears what it will be. */
export function setSound(wanted: boolean): void {
  soundWanted.value = wanted
  try {
    localStorage.setItem(storageKey, wanted ? 'on' : 'off')
  } catch {
    // storage is switched off: the choice lasts as long as the tab
  }
  if (wanted) ring()
}

/** Three pairs of tones, two seconds in all; nothing while the sound is off or the browser forbids it. */
export function ring(): void {
  if (!soundWanted.peek() || audio?.state !== 'running') return
  for (const pair of [0, 1, 2]) {
    tone(audio, 880, audio.currentTime + pair * 0.7)
    tone(audio, 1175, audio.currentTime + pair * 0.7 + 0.22)
  }
}

function tone(context: AudioContext, hertz: number, at: number): void {
  const oscillator = context.createOscillator()
  const volume = context.createGain()
  oscillator.frequency.value = hertz
  // Soft at both ends, so that it does not click.
  volume.gain.setValueAtTime(0, at)
  volume.gain.linearRampToValueAtTime(0.3, at + 0.02)
  volume.gain.linearRampToValueAtTime(0, at + 0.2)
  oscillator.connect(volume).connect(context.destination)
  oscillator.start(at)
  oscillator.stop(at + 0.22)
}

/** Asks the person; call it from a click. */
export async function askForNotifications(): Promise<void> {
  notifications.value = await Notification.requestPermission()
}

/** Shows a page outside the tab, where nobody looks at it and the person has allowed it. */
export function notify(page: {
  readonly id: string
  readonly number: number
  readonly title: string
  readonly severity: AlertSeverity
}): void {
  if (notifications.peek() !== 'granted' || (!document.hidden && document.hasFocus())) return
  try {
    const shown = new Notification(
      t('page.notification', {
        number: String(page.number),
        severity: t(`severity.${page.severity}`),
      }),
      { body: page.title, tag: `callward-page-${page.id}`, requireInteraction: true },
    )
    shown.onclick = () => {
      window.focus()
      shown.close()
    }
  } catch {
    // Phones show none without a service worker: banner and sound remain.
    notifications.value = 'unavailable'
  }
}
