/** The states of an incident as bundles publish them; the verifier has its own copy, and a test holds both together. */
export const publishedStates = [
  { from: null, to: 'open', fact: 'phenomenon' },
  { from: 'open', to: 'acknowledged', fact: 'acknowledged' },
  { from: 'open', to: 'resolved', fact: 'transition' },
  { from: 'acknowledged', to: 'resolved', fact: 'transition' },
  { from: 'resolved', to: 'open', fact: 'relapse' },
  // As written before there was a workflow.
  { from: 'open', to: 'resolved', fact: 'resolved' },
  { from: 'acknowledged', to: 'resolved', fact: 'resolved' },
] as const
