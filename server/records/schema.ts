import type { Millis } from '../clock.ts'

/**
 * Tables of the records database, the same on SQLite and PostgreSQL. Times are milliseconds (`bigint`),
 * flags 0 or 1, JSON is text; a store parses what it reads.
 */
export interface RecordsSchema {
  principals: PrincipalRow
  tokens: TokenRow
  sign_in_links: SignInLinkRow
  console_sessions: ConsoleSessionRow
  collectors: CollectorRow
  facts: FactsRow
  documents: DocumentRow
  sections: SectionRow
  alerts: AlertRow
  incidents: IncidentRow
  incident_facts: IncidentFactRow
  incident_alerts: IncidentAlertRow
  runbook_versions: RunbookVersionRow
  live_messages: LiveMessageRow
  changes: ChangeRow
  change_entries: ChangeEntryRow
  known_versions: KnownVersionRow
  version_changes: VersionChangeRow
  version_change_links: VersionChangeLinkRow
  baseline_versions: BaselineVersionRow
  settings: SettingRow
  enrolments: EnrolmentRow
  enrolment_tokens: EnrolmentTokenRow
}

/** Somebody or something that may sign in. */
export interface PrincipalRow {
  id: string
  name: string
  role: string
  /** `person` or `service`. */
  kind: string
  created_at: Millis
  disabled_at: Millis | null
}

export interface TokenRow {
  id: string
  principal_id: string
  /** SHA-256 of the token, hex; unique. */
  hash: string
  label: string
  created_at: Millis
  expires_at: Millis | null
  last_used_at: Millis | null
  revoked_at: Millis | null
}

export interface SignInLinkRow {
  hash: string
  principal_id: string
  created_at: Millis
  expires_at: Millis
  used_at: Millis | null
}

export interface ConsoleSessionRow {
  hash: string
  principal_id: string
  created_at: Millis
  expires_at: Millis
  revoked_at: Millis | null
}

/** A collector the hub has heard of; `id` is the collector's own UUID, `instance` is unique. */
export interface CollectorRow {
  id: string
  instance: string
  /** JSON of HostLabels. */
  labels: string
  version: string
  epoch: string
  interval_seconds: number
  simulated: number
  first_seen_at: Millis
  last_seen_at: Millis
}

/** Each version of a host's facts documents, in the order of `received_at`. */
export interface FactsRow {
  collector_id: string
  /** The host, whichever collector told it. */
  instance: string
  name: string
  hash: string
  received_at: Millis
}

/** A facts document, held once for all hosts and versions that show it; `hash` is the SHA-256 of its JSON text. */
export interface DocumentRow {
  hash: string
  /** `json`, or `deflate` (RFC 1951) in base64. */
  encoding: string
  body: string
}

/** Newest state of each section of a collector's report. */
export interface SectionRow {
  collector_id: string
  name: string
  state: string
  detail: string
  changed_at: Millis
}

/** One life of an alert; at most one row a fingerprint is not `resolved`. */
export interface AlertRow {
  id: string
  fingerprint: string
  rule: string
  rule_group: string
  severity: string
  instance: string | null
  /** JSON of the alert's labels. */
  labels: string
  /** JSON of the expanded annotations. */
  annotations: string
  /** `pending`, `firing` or `resolved`. */
  state: string
  value: string
  active_at: Millis
  fired_at: Millis | null
  keep_firing_since: Millis | null
  resolved_at: Millis | null
  acknowledged_at: Millis | null
  acknowledged_by: string | null
  updated_at: Millis
}

export interface IncidentRow {
  id: string
  /** Counts from 1; what people say aloud. */
  number: number
  title: string
  /** `sev1` to `sev4`. */
  severity: string
  /** `open`, `acknowledged` or `resolved`. */
  state: string
  /** What related alerts are matched by; the host's `instance`, or the alert's fingerprint. */
  join_key: string
  server: string
  runbook_name: string | null
  runbook_hash: string | null
  opened_at: Millis
  acknowledged_at: Millis | null
  acknowledged_by: string | null
  resolved_at: Millis | null
  updated_at: Millis
}

/** A stamped fact of an incident; never updated, never deleted. A correction names what it supersedes. */
export interface IncidentFactRow {
  id: string
  incident_id: string
  /** Order within the incident, from 1. */
  sequence: number
  kind: string
  /** JSON. */
  value: string
  /** `actual`, `estimate` or `suggestion`. */
  certainty: string
  occurred_at: Millis
  recorded_at: Millis
  recorded_by: string
  supersedes: string | null
}

export interface IncidentAlertRow {
  incident_id: string
  alert_id: string
  joined_at: Millis
}

/** A runbook as it was, by content hash (SHA-256 hex). */
export interface RunbookVersionRow {
  hash: string
  name: string
  body: string
  recorded_at: Millis
}

/** One person's queue of pushed messages; `sequence` counts from 1 for each person. */
export interface LiveMessageRow {
  principal_id: string
  sequence: number
  at: Millis
  kind: string
  /** JSON. */
  body: string
  /** First receipt of any of the person's connections. */
  received_at: Millis | null
  displayed_at: Millis | null
}

export interface SettingRow {
  key: string
  value: string
}

/** A change record as its entries have left it; `change_entries` is what was said, by whom and when. */
export interface ChangeRow {
  id: string
  /** Counts from 1; what people say aloud. */
  number: number
  /** `draft`, `approved`, `closed` or `rejected`. */
  state: string
  /** JSON of ChangeContent. */
  content: string
  starts_at: Millis
  ends_at: Millis
  requested_by: string
  requested_at: Millis
  approved_by: string | null
  approved_at: Millis | null
  updated_at: Millis
}

/** A stamped entry of a change record; never updated, never deleted. A correction names what it supersedes. */
export interface ChangeEntryRow {
  id: string
  change_id: string
  /** Order within the record, from 1. */
  sequence: number
  kind: string
  /** JSON. */
  value: string
  recorded_at: Millis
  recorded_by: string
  principal_id: string
  supersedes: string | null
}

/** What a host's next document is compared with: the last that could be read, unreadable parts carried on from before. */
export interface KnownVersionRow {
  instance: string
  name: string
  hash: string
}

/** What one document told to be different from the last one. */
export interface VersionChangeRow {
  id: string
  /** Counts from 1. */
  number: number
  instance: string
  document: string
  from_hash: string
  to_hash: string
  /** JSON of VersionItem[]. */
  items: string
  /** Items beyond the limit, counted only. */
  omitted: number
  /** Items no approved change record covered when they were seen. */
  uncovered: number
  /** `matched`, `open` or `linked`. */
  state: string
  detected_at: Millis
}

export interface VersionChangeLinkRow {
  id: string
  version_change_id: string
  change_id: string
  /** `matched` by the hub when it was seen, or `linked` by a person afterwards. */
  kind: string
  reason: string
  linked_at: Millis
  linked_by: string
}

export interface BaselineVersionRow {
  role: string
  version: string
  /** SHA-256 of `body`, hex. */
  hash: string
  body: string
  first_seen_at: Millis
}

/** A collector's key, bound to one host; one of an instance is `active`. */
export interface EnrolmentRow {
  id: string
  instance: string
  /** ed25519, 32 bytes, base64url. */
  public_key: string
  /** `active`, `revoked` or `replaced`. */
  state: string
  /** Sessions so far. */
  counter: number
  /** Secret that only the hub and the collector derive, another with each session; base64url. */
  link: string
  /** 1: the next session's count is taken as it is. */
  resync: number
  /** JSON of salted hashes by fact. */
  machine: string
  /** JSON of the labels given with the token. */
  labels: string
  /** The collector's UUID since its first session. */
  collector_id: string | null
  version: string
  created_at: Millis
  created_by: string
  last_session_at: Millis | null
  ended_at: Millis | null
  ended_by: string | null
  refusals: number
  last_refused_at: Millis | null
  last_refusal: string | null
  /** Address it came from. */
  last_refused_from: string | null
}

/** A one-time token of `callward enrol`. */
export interface EnrolmentTokenRow {
  id: string
  /** SHA-256 of the token, hex; unique. */
  hash: string
  /** The only host it may register; null: any that has no active enrolment. */
  instance: string | null
  labels: string
  /** 1: an active enrolment of the host gives way. */
  replaces: number
  created_at: Millis
  created_by: string
  expires_at: Millis
  used_at: Millis | null
  used_by: string | null
  used_from: string | null
  misuses: number
  last_misused_at: Millis | null
  last_misused_from: string | null
}
