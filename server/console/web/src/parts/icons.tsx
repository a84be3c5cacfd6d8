import type { AlertSeverity, HostState, SectionState } from '../api-types.ts'
import type { Posture } from '../host-documents.ts'

/** Shapes that tell states apart without colour: octagon, triangle, disc, ring, question. */
type Shape = 'octagon' | 'triangle' | 'disc' | 'check' | 'silent' | 'question' | 'lock' | 'absent'

const marks: Readonly<Record<Shape, { outline: string; sign?: string }>> = {
  octagon: {
    outline: 'M5.2 1h5.6L15 5.2v5.6L10.8 15H5.2L1 10.8V5.2z',
    sign: 'M8 4.2v4.6M8 11.2v.6',
  },
  triangle: { outline: 'M8 1.2 15.4 14.4H.6z', sign: 'M8 5.6v4M8 11.8v.5' },
  disc: { outline: 'M8 1.2a6.8 6.8 0 1 1 0 13.6A6.8 6.8 0 0 1 8 1.2z', sign: 'M8 7.4v4M8 4.4v.5' },
  check: {
    outline: 'M8 1.2a6.8 6.8 0 1 1 0 13.6A6.8 6.8 0 0 1 8 1.2z',
    sign: 'M4.8 8.2 7.2 10.6 11.4 5.8',
  },
  silent: { outline: 'M1.5 1.5h13v13h-13z', sign: 'M4.5 4.5l7 7M11.5 4.5l-7 7' },
  question: {
    outline: 'M8 .8 15.2 8 8 15.2.8 8z',
    sign: 'M6.2 6.4a1.9 1.9 0 1 1 2.7 1.8c-.6.3-.9.6-.9 1.2M8 11.4v.4',
  },
  lock: { outline: 'M3 7h10v7.6H3z', sign: 'M5.4 7V4.8a2.6 2.6 0 0 1 5.2 0V7' },
  absent: { outline: 'M2 7h12v2H2z' },
}

function Icon({ shape, tone }: { shape: Shape; tone: string }) {
  const { outline, sign } = marks[shape]
  return (
    <svg
      class={`icon tone-${tone} icon-${shape}`}
      viewBox="0 0 16 16"
      width="16"
      height="16"
      aria-hidden="true"
    >
      <path class="icon-outline" d={outline} />
      {sign && <path class="icon-sign" d={sign} />}
    </svg>
  )
}

const severityShapes: Readonly<Record<AlertSeverity, Shape>> = {
  critical: 'octagon',
  warning: 'triangle',
  info: 'disc',
}

export function SeverityIcon({ severity }: { severity: AlertSeverity }) {
  return <Icon shape={severityShapes[severity]} tone={severity} />
}

const hostShapes: Readonly<Record<HostState, readonly [Shape, string]>> = {
  ok: ['check', 'ok'],
  attention: ['triangle', 'warning'],
  critical: ['octagon', 'critical'],
  silent: ['silent', 'critical'],
  unknown: ['question', 'silent'],
}

export function HostStateIcon({ state }: { state: HostState }) {
  const [shape, tone] = hostShapes[state] ?? hostShapes.unknown
  return <Icon shape={shape} tone={tone} />
}

const sectionShapes: Readonly<Record<SectionState, readonly [Shape, string]>> = {
  ok: ['check', 'ok'],
  absent: ['absent', 'silent'],
  denied: ['lock', 'warning'],
  error: ['triangle', 'critical'],
}

export function SectionStateIcon({ state }: { state: SectionState }) {
  const [shape, tone] = sectionShapes[state] ?? sectionShapes.error
  return <Icon shape={shape} tone={tone} />
}

const postureShapes: Readonly<Record<Posture, readonly [Shape, string]>> = {
  protected: ['check', 'ok'],
  attention: ['triangle', 'warning'],
  unprotected: ['octagon', 'critical'],
  unknown: ['question', 'silent'],
}

export function PostureIcon({ posture }: { posture: Posture }) {
  const [shape, tone] = postureShapes[posture]
  return <Icon shape={shape} tone={tone} />
}
