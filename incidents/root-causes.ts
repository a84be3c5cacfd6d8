/** Where the codes come from; wording of the law is shortened, the order and numbers are its own. */
export const rootCauseSource = {
  document: 'Commission Implementing Regulation (EU) 2025/302, Annex II, data fields 4.1 to 4.3',
  celex: '32025R0302',
  url: 'https://eur-lex.europa.eu/legal-content/EN/TXT/?uri=CELEX:32025R0302',
  confidence: 'confirmed',
  verifiedOn: '2026-11-22',
} as const

/** The two levels, and the third where the law has one; used for all incidents, so that they compare. */
export const rootCauses = {
  malicious_actions: {
    number: '1',
    title: 'Malicious actions',
    details: {
      deliberate_internal_actions: '1(a) Deliberate internal actions',
      deliberate_physical_damage: '1(b) Deliberate physical damage, manipulation or theft',
      fraudulent_actions: '1(c) Fraudulent actions',
    },
  },
  process_failure: {
    number: '2',
    title: 'Process failure',
    details: {
      monitoring_and_control: '2(a) Insufficient monitoring, or failure of monitoring and control',
      roles_and_responsibilities: '2(b) Insufficient or unclear roles and responsibilities',
      risk_management_process: '2(c) ICT risk management process failure',
      operations: '2(d) Insufficient or failed ICT operations and ICT security operations',
      project_management: '2(e) Insufficient or failed ICT project management',
      policies_and_documentation: '2(f) Inadequate internal policies, procedures, documentation',
      acquisition_and_development:
        '2(g) Inadequate ICT systems acquisition, development or maintenance',
      other: '2(h) Other process failure (say which)',
    },
  },
  system_failure: {
    number: '3',
    title: 'System failure or malfunction',
    details: {
      hardware_capacity: '3(a) Hardware capacity and performance',
      hardware_maintenance: '3(b) Hardware maintenance',
      hardware_ageing: '3(c) Hardware obsolescence or ageing',
      software_configuration: '3(d) Software compatibility or configuration',
      software_performance: '3(e) Software performance',
      network_configuration: '3(f) Network configuration',
      physical_damage: '3(g) Physical damage',
      other: '3(h) Other system failure (say which)',
    },
  },
  human_error: {
    number: '4',
    title: 'Human error',
    details: {
      omission: '4(a) Omission (unintentional)',
      mistake: '4(b) Mistake',
      skills_and_knowledge: '4(c) Skills and knowledge',
      human_resources: '4(d) Inadequate human resources',
      miscommunication: '4(e) Miscommunication',
      other: '4(f) Other human error (say which)',
    },
  },
  external_event: {
    number: '5',
    title: 'External event',
    details: {
      natural_disaster: '5(a) Natural disaster or force majeure',
      third_party_failure: '5(b) Third-party failure',
      other: '5(c) Other external event (say which)',
    },
  },
} as const

/** Third level, field 4.3; needed where the second level has one. */
export const additionalCauses: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'process_failure/monitoring_and_control': {
    policy_adherence: 'Monitoring of policy adherence',
    third_party_monitoring: 'Monitoring of third-party service providers',
    remediation_verification: 'Monitoring and verification of remediation of vulnerabilities',
    identity_and_access: 'Identity and access management',
    encryption: 'Encryption and cryptography',
    logging: 'Logging',
  },
  'process_failure/risk_management_process': {
    risk_tolerance: 'Failure in specifying accurate risk tolerance levels',
    threat_assessment: 'Insufficient vulnerability and threat assessments',
    risk_treatment: 'Inadequate risk treatment measures',
    residual_risk: 'Poor management of residual ICT risks',
  },
  'process_failure/operations': {
    patch_management: 'Vulnerability and patch management',
    change_management: 'Change management',
    capacity_management: 'Capacity and performance management',
    asset_management: 'ICT asset management and information classification',
    backup_and_restore: 'Backup and restore',
    error_handling: 'Error handling',
  },
  'process_failure/acquisition_and_development': {
    acquisition: 'Inadequate ICT systems acquisition, development or maintenance',
    software_testing: 'Insufficient software testing, or failure of software testing',
  },
}

/** Codes as facts hold them, as `system_failure/hardware_ageing`, with what they mean. */
export const rootCauseCodes: ReadonlyMap<string, string> = new Map(
  Object.entries(rootCauses).flatMap(([group, { details }]) =>
    Object.entries(details).map(([detail, title]) => [`${group}/${detail}`, title] as const),
  ),
)

/** Codes of the third level, as `change_management`, with what they mean. */
export const additionalCodes: ReadonlyMap<string, string> = new Map(
  Object.values(additionalCauses).flatMap((codes) => Object.entries(codes)),
)

/** The nine kinds of costs: field 4.13 (a) to (i), of which 2024/1772 Art. 7(1) has the first eight. */
export const costKinds = {
  expropriated_funds: '(a) Expropriated funds or assets',
  replacement: '(b) Replacement or relocation of software, hardware, infrastructure',
  staff: '(c) Staff',
  contract_fees: '(d) Fees for non-compliance with contracts',
  compensation: '(e) Redress and compensation to customers',
  forgone_revenue: '(f) Forgone revenue',
  communication: '(g) Internal and external communication',
  advice: '(h) Advice: legal, forensic, remediation',
  other: '(i) Other costs and losses',
} as const
