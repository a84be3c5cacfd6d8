import type { Message, MessageKind } from './message.ts'

/** An invented alert of each kind. */
export function sampleMessage(kind: MessageKind, now: number, url: string): Message {
  return {
    kind,
    title: 'pbx-01: calls fail, 37 % of attempts in 5 minutes',
    severity: 'critical',
    description: 'Answer-seizure ratio fell from 61 % to 24 %. Trunk sip-carrier-2 answers 503.',
    impact: 'Customers hear a busy tone on about every third call.',
    server: 'pbx-01',
    site: 'hanoi',
    customer: 'retail',
    startedAt: now - 240_000,
    ...(kind === 'resolved' ? { endedAt: now } : {}),
    ...(kind === 'acknowledged' ? { acknowledgedBy: 'Anna' } : {}),
    ...(kind === 'escalated' ? { step: 2, reason: 'nobody took it within 5 minutes' } : {}),
    incident: 17,
    alerts: [
      {
        title: 'pbx-01: calls fail',
        server: 'pbx-01',
        severity: 'critical',
        startedAt: now - 240_000,
      },
      {
        title: 'Trunk sip-carrier-2 answers 503',
        server: 'sbc-01',
        severity: 'warning',
        startedAt: now - 300_000,
      },
    ],
    url: `${url}/incidents/17`,
    runbookUrl: `${url}/runbooks/HostSilent`,
  }
}
