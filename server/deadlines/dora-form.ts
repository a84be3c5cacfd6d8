/** Where the fields stand. Titles were compared with descriptions of the Annex, not with the Official Journal. */
export const doraForm = {
  form: 'Major ICT-related incident: initial notification, intermediate report, final report',
  source: 'Commission Implementing Regulation (EU) 2025/302, Annexes I and II',
  url: 'https://eur-lex.europa.eu/legal-content/EN/TXT/?uri=CELEX:32025R0302',
  confidence: 'secondary',
  verifiedOn: '2026-11-22',
} as const

/** A field of the form; it is wanted from the stage of its first figure on. */
export interface FormField {
  readonly number: string
  readonly title: string
  /** Absent: always wanted. */
  readonly wantedIf?: string
}

export const stages = ['initial', 'intermediate', 'final'] as const
export type Stage = (typeof stages)[number]

const field = (number: string, title: string, wantedIf?: string): FormField => ({
  ...{ number, title },
  ...(wantedIf === undefined ? {} : { wantedIf }),
})

/** Every field, in the order of the form. */
export const doraFields: readonly FormField[] = [
  field('1.1', 'Type of submission'),
  field('1.2', 'Name of the entity submitting the report'),
  field('1.3', 'Identification code of the entity submitting the report'),
  field('1.4', 'Type of financial entity affected'),
  field(
    '1.5',
    'Name of the financial entity affected',
    'the entity differs from the one that submits',
  ),
  field(
    '1.6',
    'LEI code of the financial entity affected',
    'the entity differs from the one that submits',
  ),
  field('1.7', 'Primary contact person name'),
  field('1.8', 'Primary contact person email'),
  field('1.9', 'Primary contact person telephone'),
  field('1.10', 'Second contact person name'),
  field('1.11', 'Second contact person email'),
  field('1.12', 'Second contact person telephone'),
  field('1.13', 'Name of the ultimate parent undertaking', 'the entity belongs to a group'),
  field('1.14', 'LEI code of the ultimate parent undertaking', 'the entity belongs to a group'),
  field('1.15', 'Reporting currency'),
  field('2.1', 'Incident reference code assigned by the financial entity'),
  field('2.2', 'Date and time of detection of the major ICT-related incident'),
  field('2.3', 'Date and time of classification of the ICT-related incident as major'),
  field('2.4', 'Description of the major ICT-related incident'),
  field('2.5', 'Classification criteria that triggered the incident report'),
  field(
    '2.6',
    'Materiality thresholds for the classification criterion ‘Geographical spread’',
    'the threshold of geographical spread is met',
  ),
  field('2.7', 'Discovery of the major ICT-related incident'),
  field(
    '2.8',
    'Indication whether the incident originates from a third-party provider or another financial entity',
    'it originates there',
  ),
  field('2.9', 'Activation of business continuity plan, if activated'),
  field(
    '2.10',
    'Other relevant information',
    'there is more to say, or the incident is reclassified as non-major',
  ),
  field(
    '3.1',
    'Incident reference code provided by the competent authority',
    'the authority gave one',
  ),
  field('3.2', 'Date and time of occurrence of the major ICT-related incident'),
  field(
    '3.3',
    'Date and time when services, activities or operations have been recovered',
    'services were down',
  ),
  field('3.4', 'Number of clients affected'),
  field('3.5', 'Percentage of clients affected'),
  field('3.6', 'Number of financial counterparts affected'),
  field('3.7', 'Percentage of financial counterparts affected'),
  field(
    '3.8',
    'Impact on relevant clients or financial counterparts',
    'the threshold of relevance is met',
  ),
  field('3.9', 'Number of affected transactions', 'transactions are affected'),
  field('3.10', 'Percentage of affected transactions', 'transactions are affected'),
  field('3.11', 'Value of affected transactions', 'transactions are affected'),
  field(
    '3.12',
    'Information on whether the numbers are actual or estimates, or whether there has not been any impact',
  ),
  field('3.13', 'Reputational impact', 'the criterion of reputational impact is met'),
  field(
    '3.14',
    'Contextual information about the reputational impact',
    'the criterion of reputational impact is met',
  ),
  field('3.15', 'Duration of the major ICT-related incident'),
  field('3.16', 'Service downtime', 'services were down'),
  field(
    '3.17',
    'Information on whether the numbers for duration and service downtime are actual or estimates',
    'the criterion of duration and downtime is met',
  ),
  field(
    '3.18',
    'Types of impact in the Member States',
    'the threshold of geographical spread is met',
  ),
  field(
    '3.19',
    'Description of how the incident has an impact in other Member States',
    'the threshold of geographical spread is met',
  ),
  field(
    '3.20',
    'Materiality thresholds for the classification criterion ‘Data losses’',
    'the criterion of data losses is met',
  ),
  field('3.21', 'Description of the data losses', 'the criterion of data losses is met'),
  field('3.22', 'Classification criterion ‘Critical services affected’'),
  field('3.23', 'Type of the major ICT-related incident'),
  field('3.24', 'Other types of incidents', '3.23 says other'),
  field(
    '3.25',
    'Threats and techniques used by the threat actor',
    '3.23 says cybersecurity-related',
  ),
  field('3.26', 'Other types of techniques', '3.25 says other'),
  field('3.27', 'Information about affected functional areas and business processes'),
  field('3.28', 'Affected infrastructure components supporting business processes'),
  field(
    '3.29',
    'Information about affected infrastructure components supporting business processes',
    'infrastructure components are affected',
  ),
  field('3.30', 'Impact on the financial interest of clients'),
  field('3.31', 'Reporting to other authorities'),
  field('3.32', 'Specification of ‘other’ authorities', '3.31 says other'),
  field('3.33', 'Temporary actions or measures taken or planned to recover from the incident'),
  field(
    '3.34',
    'Description of temporary actions and measures taken or planned',
    'there are such measures',
  ),
  field('3.35', 'Indicators of compromise', '3.23 says cybersecurity-related'),
  field('4.1', 'High-level classification of root causes of the incident'),
  field('4.2', 'Detailed classification of root causes of the incident'),
  field(
    '4.3',
    'Additional classification of root causes of the incident',
    'the codes of 4.2 have a third level',
  ),
  field('4.4', 'Other types of root causes', '4.2 says other'),
  field('4.5', 'Information about the root causes of the incident'),
  field('4.6', 'Incident resolution summary'),
  field('4.7', 'Date and time when the incident root cause was addressed'),
  field('4.8', 'Date and time when the incident was resolved'),
  field(
    '4.9',
    'Information if the permanent resolution date differs from the initially planned date',
    'they differ',
  ),
  field(
    '4.10',
    'Assessment of risk to critical functions for resolution purposes',
    'there is such a risk',
  ),
  field('4.11', 'Information relevant for resolution authorities', 'resolvability is affected'),
  field('4.12', 'Materiality threshold for the classification criterion ‘Economic impact’'),
  field('4.13', 'Amount of gross direct and indirect costs and losses'),
  field('4.14', 'Amount of financial recoveries'),
  field(
    '4.15',
    'Information on whether the non-major incidents have been recurring',
    'recurring incidents make it major',
  ),
  field(
    '4.16',
    'Date and time of occurrence of recurring incidents',
    'recurring incidents make it major',
  ),
]

/** The fields of a stage: those of the stages before it too. */
export function fieldsOf(stage: Stage): readonly FormField[] {
  const last = { initial: 2, intermediate: 3, final: 4 }[stage]
  return doraFields.filter(({ number }) => Number(number.split('.')[0]) <= last)
}
