/** One way an incident may change its state; null: it begins so. */
export interface Transition {
  readonly from: string | null
  readonly to: string
  /** The stamped fact that must come with it. */
  readonly fact: string
}

/** The published states of an incident. The hub puts its own copy into each bundle, and the two must be equal. */
export const incidentTransitions: readonly Transition[] = [
  { from: null, to: 'open', fact: 'phenomenon' },
  { from: 'open', to: 'acknowledged', fact: 'acknowledged' },
  { from: 'open', to: 'resolved', fact: 'transition' },
  { from: 'acknowledged', to: 'resolved', fact: 'transition' },
  { from: 'resolved', to: 'open', fact: 'relapse' },
  // As written before there was a workflow.
  { from: 'open', to: 'resolved', fact: 'resolved' },
  { from: 'acknowledged', to: 'resolved', fact: 'resolved' },
]
