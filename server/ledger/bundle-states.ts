/** The states of an incident as bundles publish them; the verifier has its own copy, and a test holds both together. */
export const publishedStates = [
  { from: null, to: 'open', fact: 'phenomenon' },
  { from: 'open', to: 'acknowledged', fact: 'acknowledged' },
  { from: 'open', to: 'resolved', fact: 'resolved' },
  { from: 'acknowledged', to: 'resolved', fact: 'resolved' },
  { from: 'resolved', to: 'open', fact: 'relapse' },
] as const
