/** What the shipped regimes say of themselves, word for word as their files have it. */
export const clockTextsEn = {
  'clockText.response': 'Response',
  'clockText.restore': 'Restore',
  'clockText.firstUpdate': 'First word to customers',
  'clockText.update': 'Updates',
  'clockText.review': 'Post-mortem meeting',
  'clockText.sla': 'Response, restore and updates by severity',
  'clockText.slaCaution':
    'Defaults, not law and not your contract: the update rhythm and the post-mortem times follow published incident practice, response and restore times are ours. Put the figures of your agreement in their place.',
  'clockText.dora': 'EU DORA, reports of major ICT-related incidents',
  'clockText.doraCaution':
    "Read in the text of the Official Journal as others copied it, not on eur-lex.europa.eu itself. Counsel must confirm each clock before it is relied on; national law and the competent authority's own instructions come on top.",
  'clockText.doraInitial': 'Initial notification',
  'clockText.doraIntermediate': 'Intermediate report',
  'clockText.doraUpdated': 'Updated intermediate report once activities have recovered',
  'clockText.doraFinal': 'Final report',
  'clockText.doraReclassified':
    'Word to the authority that the incident is reclassified as not major',
  'clockText.doraClients': 'Word to clients whose financial interests are touched',
  'clockText.pauseCustomer': 'waiting for the customer',
  'clockText.pauseAccess': 'access refused',
  'clockText.pauseWindow': 'agreed maintenance window',
  'clockText.pauseForce': 'force majeure',
} as const
