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
  accounts: AccountRow
  recovery_codes: RecoveryCodeRow
  teams: TeamRow
  team_members: TeamMemberRow
  approvals: ApprovalRow
  collectors: CollectorRow
  facts: FactsRow
  documents: DocumentRow
  sections: SectionRow
  alerts: AlertRow
  incidents: IncidentRow
  incident_facts: IncidentFactRow
  incident_alerts: IncidentAlertRow
  incident_join_keys: IncidentJoinKeyRow
  incident_label_keys: IncidentLabelKeyRow
  correlation_documents: CorrelationDocumentRow
  incident_request_keys: IncidentRequestKeyRow
  incident_deadlines: IncidentDeadlineRow
  time_limits: TimeLimitsRow
  incident_notices: IncidentNoticeRow
  incident_notice_deliveries: IncidentNoticeDeliveryRow
  incident_update_rhythms: IncidentUpdateRhythmRow
  incident_assignments: IncidentAssignmentRow
  runbook_versions: RunbookVersionRow
  runbook_uses: RunbookUseRow
  incident_words: IncidentWordRow
  incident_search: IncidentSearchRow
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
  oncall_schedules: OncallDocumentRow
  oncall_policies: OncallDocumentRow
  oncall_overrides: OncallOverrideRow
  oncall_history: OncallHistoryRow
  oncall_notes: OncallNoteRow
  oncall_handovers: OncallHandoverRow
  oncall_proofs: OncallProofRow
  canary_plans: CanaryPlanRow
  canary_runs: CanaryRunRow
  incident_freezes: IncidentFreezeRow
  incident_evidence: IncidentEvidenceRow
  incident_counted: IncidentCountedRow
  incident_services: IncidentServiceRow
  recurrence_months: RecurrenceMonthRow
  incident_webhook_messages: IncidentWebhookMessageRow
  incident_imports: IncidentImportRow
  ledger_epochs: LedgerEpochRow
  ledger_entries: LedgerEntryRow
  ledger_tiles: LedgerTileRow
  ledger_checkpoints: LedgerCheckpointRow
  ledger_keys: LedgerKeyRow
  ledger_witnesses: LedgerWitnessRow
  ledger_cosignatures: LedgerCosignatureRow
  contact_points: ContactPointRow
  notify_log: NotifyLogRow
  obligations: ObligationRow
  lost_obligations: LostObligationRow
  pages: PageRow
  page_alerts: PageAlertRow
  page_asks: PageAskRow
  page_steps: PageStepRow
  page_tellings: PageTellingRow
  page_attempts: PageAttemptRow
  routing_state: RoutingStateRow
  routing_alerts: RoutingAlertRow
  routing_groups: RoutingGroupRow
  routing_silences: RoutingSilenceRow
  routing_holds: RoutingHoldRow
  external_alerts: ExternalAlertRow
  attachments: AttachmentRow
  legal_holds: LegalHoldRow
  erasures: ErasureRow
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
  /** `password`: sets a password and signs nobody in; null: signs in. */
  purpose: string | null
}

export interface ConsoleSessionRow {
  hash: string
  principal_id: string
  created_at: Millis
  expires_at: Millis
  revoked_at: Millis | null
  /** What its owner sees of it; null in sessions of before. */
  id: string | null
  /** `password`, `link` or `token`. */
  way: string | null
  address: string | null
  last_seen_at: Millis | null
}

/** What a person signs in with; secrets are hashed or sealed. */
export interface AccountRow {
  principal_id: string
  email: string | null
  /** `$scrypt$ln=…,r=…,p=…$salt$hash`. */
  password: string | null
  password_set_at: Millis | null
  /** The secret of the second factor in force, sealed; null: none. */
  totp_sealed: string | null
  totp_confirmed_at: Millis | null
  /** One that waits for its first code. */
  totp_pending: string | null
  /** The newest step a code was used of. */
  totp_step: number | null
}

export interface RecoveryCodeRow {
  principal_id: string
  hash: string
  used_at: Millis | null
}

export interface TeamRow {
  id: string
  name: string
  created_at: Millis
}

export interface TeamMemberRow {
  team_id: string
  principal_id: string
  added_at: Millis
}

/** What one person asks and another decides. */
export interface ApprovalRow {
  id: string
  kind: string
  subject: string
  /** JSON. */
  content: string
  /** `open`, `approved`, `rejected` or `expired`. */
  state: string
  requested_by: string
  requested_at: Millis
  expires_at: Millis
  decided_by: string | null
  decided_at: Millis | null
  reason: string | null
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
  /** When it worked again, or ended otherwise. */
  resolved_at: Millis | null
  updated_at: Millis
  /** A state of incidents/workflow.ts; follows from the facts, as `state`, `severity` and `major` do. */
  workflow_state: string
  /** 1: somebody acted, or it is grave; 0: the hub may close it alone. */
  attended: number
  major: number
  closed_at: Millis | null
}

/** What is said of an incident to others, or to its own people; one version of it. */
export interface IncidentNoticeRow {
  id: string
  incident_id: string
  /** Id of the first version. */
  series_id: string
  version: number
  /** `management`, `departments`, `customers`, or `staff` for a word to the incident's own people. */
  audience: string
  /** `opening`, `update`, `restored`, `closing`; of a word to staff `assignment`, `overdue`, `undelivered`, `unanswered`. */
  form: string
  language: string | null
  title: string
  text: string
  /** SHA-256 of title, a line end and text. */
  text_hash: string
  /** `waiting` for a second person, or `sent`. */
  state: string
  /** Ids of contact points, JSON. */
  contact_points: string
  approval_id: string | null
  /** The fact that says so; null for words to staff and while it waits. */
  fact_id: string | null
  next_update_at: Millis | null
  /** The sender's name of the request. */
  request_key: string | null
  written_by: string
  approved_by: string | null
  written_at: Millis
  sent_at: Millis | null
  /** Address the message links to. */
  url: string | null
}

/** One recipient by one channel of one version. */
export interface IncidentNoticeDeliveryRow {
  id: string
  notice_id: string
  /** Null: there is no way to this recipient. */
  contact_point_id: string | null
  recipient: string
  channel: string
  /** Names the message to its receiver for ever. */
  key: string
  /** `waiting`, `accepted`, `delivered`, `refused` or `given_up`. */
  state: string
  attempts: number
  reason: string
  provider_reference: string | null
  opened_at: Millis
  updated_at: Millis
}

/** Until when the next update of an incident is promised; follows from its facts. */
export interface IncidentUpdateRhythmRow {
  incident_id: string
  severity: string
  /** What it counts from: the last notice, the classification, the relapse. */
  since: Millis
  /** Null: none is promised any more. */
  due_at: Millis | null
  /** When it was last said that it is overdue. */
  told_at: Millis | null
}

/** A technician who was asked; follows from the facts of the incident. */
export interface IncidentAssignmentRow {
  /** The fact `assigned`. */
  fact_id: string
  incident_id: string
  principal_id: string
  technician: string
  assigned_by: string
  text: string
  /** `waiting`, `accepted`, `declined`, `passed` on to the next, or `over`. */
  state: string
  assigned_at: Millis
  /** Until when an answer is waited for. */
  due_at: Millis
  /** Null while an answer, or after a refusal the next one, is owed. */
  ended_at: Millis | null
  reason: string | null
  /** When nobody was left to ask. */
  exhausted_at: Millis | null
  request_key: string | null
}

/** A request that was carried out; `key` is the sender's. */
export interface IncidentRequestKeyRow {
  key: string
  incident_id: string
  at: Millis
}

/** The time limits of incidents as they came into force; never changed. */
export interface TimeLimitsRow {
  id: string
  in_force_at: Millis
  /** Of the body, in hexadecimal. */
  sha256: string
  /** JSON: names of the regimes, the institution, the files as they were. */
  body: string
}

/** A deadline that follows from the facts of an incident, with what was told of it. */
export interface IncidentDeadlineRow {
  incident_id: string
  regime: string
  code: string
  state: string
  due_at: Millis | null
  at_risk_at: Millis | null
  satisfied_at: Millis | null
  tells: number
  told: number
  next_at: Millis | null
}

/** A key of alerts that an incident took over from one that was merged into it. */
export interface IncidentJoinKeyRow {
  join_key: string
  incident_id: string
}

/** A key of labels of an alert in an incident, for rules that join by other labels than those that opened it. */
export interface IncidentLabelKeyRow {
  label_key: string
  incident_id: string
}

/** A document of correlation rules as it was stored; never changed. */
export interface CorrelationDocumentRow {
  /** From 1. */
  version: number
  /** SHA-256, hex. */
  hash: string
  body: string
  stored_at: Millis
  stored_by: string
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
  /** 1: it stands beside the incident, which recovers without it. */
  related: number
}

/** A runbook as it was, by content hash (SHA-256 hex). */
export interface RunbookVersionRow {
  hash: string
  name: string
  body: string
  recorded_at: Millis
}

/** How often a runbook was used in one way. */
export interface RunbookUseRow {
  name: string
  /** `pinned` to an incident, or `opened` while its alert fired. */
  how: string
  times: number
  first_at: Millis
  last_at: Millis
}

/** A word by which an incident is found; follows from its title and facts, and can be made anew from them. */
export interface IncidentWordRow {
  word: string
  /** The incident's. */
  number: number
  /** 1 to 3, server/search/texts.ts. */
  weight: number
}

/** How many facts of an incident the index holds, and by which version of it. */
export interface IncidentSearchRow {
  number: number
  facts: number
  version: number
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

/** When the next test alert is due. */
export interface CanaryPlanRow {
  id: string
  due_at: Millis
}

/** One flight of the test alert; `content` is JSON. */
export interface CanaryRunRow {
  id: string
  planned_for: Millis | null
  started_by: string
  started_at: Millis
  finished_at: Millis
  ok: number
  content: string
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

/** An on-call schedule or an escalation policy; `id` is the name people gave it. */
export interface OncallDocumentRow {
  id: string
  /** Counts its changes from 1, over a deletion too. */
  revision: number
  /** JSON of ScheduleContent or PolicyContent. */
  content: string
  created_at: Millis
  updated_at: Millis
  deleted_at: Millis | null
}

export interface OncallOverrideRow {
  id: string
  schedule_id: string
  principal_id: string
  starts_at: Millis
  ends_at: Millis
  reason: string
  created_at: Millis
  created_by: string
  creator_id: string
  cancelled_at: Millis | null
}

/** Who changed what of on-call duty, from what to what; never updated, never deleted. */
export interface OncallHistoryRow {
  id: string
  /** Order of all changes, from 1. */
  sequence: number
  object_type: string
  object_id: string
  action: string
  /** JSON; null where there was nothing. */
  before: string | null
  after: string | null
  recorded_at: Millis
  recorded_by: string
  principal_id: string
}

/** What somebody on call wrote for who comes next; never updated, never deleted. */
export interface OncallNoteRow {
  id: string
  schedule_id: string
  text: string
  recorded_at: Millis
  recorded_by: string
  principal_id: string
}

/** A hand-off that happened; one a schedule and instant. */
export interface OncallHandoverRow {
  id: string
  schedule_id: string
  handed_at: Millis
  from_principal: string | null
  to_principal: string | null
  /** JSON of HandoverContent. */
  content: string
  created_at: Millis
  acknowledged_at: Millis | null
}

/** Outcome of the nightly readiness proof of one day (UTC, `2026-03-02`). */
export interface OncallProofRow {
  day: string
  proven_at: Millis
  /** JSON of its counts and what was not ready. */
  content: string
}

/** One log of the ledger; a restored hub opens the next one. */
export interface LedgerEpochRow {
  number: number
  id: string
  /** Name of the log in its checkpoints. */
  origin: string
  /** Number of its first entry. */
  first_number: number
  /** Entries that have their place in the tree. */
  size: number
  opened_at: Millis
}

/** A ledgered change; never updated, never deleted. Its place in the tree is `number` less the epoch's first. */
export interface LedgerEntryRow {
  /** Counts from 0 without gaps. */
  number: number
  recorded_at: Millis
  object_type: string
  object_id: string
  /** Canonical JSON. */
  entry: string
  /** SHA-256 of 0x00 and `entry`, base64. */
  leaf: string
  /** JSON of salts and texts behind the salted hashes; erased alone. */
  opening: string | null
}

/** Up to 256 hashes of whole subtrees of 256^level leaves. */
export interface LedgerTileRow {
  epoch: number
  level: number
  tile: number
  /** Base64. */
  hashes: string
}

export interface LedgerCheckpointRow {
  epoch: number
  size: number
  /** Base64. */
  root: string
  /** The signed note. */
  note: string
  signed_at: Millis
}

/** Public keys that checkpoints were signed by; ed25519, base64. */
export interface LedgerKeyRow {
  public_key: string
  added_at: Millis
}

/** A witness as the configuration named it last. */
export interface LedgerWitnessRow {
  name: string
  /** Its key as C2SP signed-note writes it. */
  key: string
  /** When this key was named first. */
  since: Millis
}

/** A witness's word on a checkpoint; of several the newest. */
export interface LedgerCosignatureRow {
  epoch: number
  size: number
  /** The witness's key as C2SP signed-note writes it. */
  key: string
  /** Signature line with its line feed. */
  line: string
  /** Time in the cosignature. */
  witnessed_at: Millis
  received_at: Millis
}

/** Where somebody can be reached. */
export interface ContactPointRow {
  id: string
  /** `person`, `team` or `shared`. */
  owner_kind: string
  /** Empty for `shared`. */
  owner_id: string
  channel: string
  label: string
  language: string
  time_zone: string
  /** JSON, sealed with the hub's key of contact points. */
  settings: string
  created_at: Millis
  created_by: string
  updated_at: Millis
  /** Of the last test that was accepted. */
  tested_at: Millis | null
  test_outcome: string | null
  test_reason: string | null
  disabled_at: Millis | null
}

/** One attempt to send one message to one contact point. */
export interface NotifyLogRow {
  id: string
  /** Idempotency key: the same for every attempt of a message. */
  key: string
  contact_point_id: string
  channel: string
  kind: string
  /** `accepted`, `delivered`, `retry` or `refused`. */
  outcome: string
  reason: string
  provider_reference: string | null
  at: Millis
  duration_millis: number
}

/** What is owed to somebody by a time; see server/obligations. */
export interface ObligationRow {
  id: string
  kind: string
  subject: string
  /** Unique within its kind, for ever. */
  key: string
  lane: string
  /** `waiting`, `done` (performed) or `closed` (not owed any more). */
  state: string
  /** JSON. */
  payload: string
  due_at: Millis
  /** When it is tried next; `due_at`, or later after a failed attempt. */
  next_at: Millis
  attempts: number
  /** The run of a hub that performs it now. */
  lease_by: string | null
  /** By the database's clock. */
  lease_until: Millis | null
  last_fault: string | null
  opened_at: Millis
  closed_at: Millis | null
  close_reason: string | null
}

/** A subject that was owed something and had no live obligation, as the watchdog found it. */
export interface LostObligationRow {
  id: string
  kind: string
  subject: string
  found_at: Millis
  mended_at: Millis | null
}

/** One fault that people are told of until somebody takes it; at most one a group is not `closed`. */
export interface PageRow {
  id: string
  /** Counts from 1; what people say aloud. */
  number: number
  group_key: string
  /** The system it is about, for fairness among pages. */
  lane: string
  title: string
  severity: string
  /** `open`, `acknowledged` or `closed`. */
  state: string
  /** JSON of the escalation policy as it was when the page was opened. */
  policy: string
  /** JSON of where it stands in that policy. */
  escalation: string
  /** When the next step is due; null: none. */
  escalation_due_at: Millis | null
  opened_at: Millis
  acknowledged_at: Millis | null
  acknowledged_by: string | null
  closed_at: Millis | null
}

export interface PageAlertRow {
  page_id: string
  alert_id: string
  joined_at: Millis
  resolved_at: Millis | null
}

/** What a page asks for besides its alerts: a time limit of an incident that is over. */
export interface PageAskRow {
  id: string
  page_id: string
  /** `clock:`, the incident's id, a stroke, the regime, a stroke, the clock; one of a name is open at most. */
  name: string
  incident_id: string
  title: string
  asked_at: Millis
  ended_at: Millis | null
}

/** What happened to a page, in order; never updated. */
export interface PageStepRow {
  id: string
  page_id: string
  /** Order within the page, from 1. */
  sequence: number
  at: Millis
  kind: string
  /** JSON. */
  content: string
}

/** One recipient who is to be told one thing, by one way after the other. */
export interface PageTellingRow {
  id: string
  page_id: string
  /** What receivers dedupe by, with the way it came. */
  key: string
  /** `page`, or `resolved`: the word that it is over. */
  kind: string
  /** `person` or `contact`. */
  recipient_kind: string
  recipient_id: string
  /** As it was when the telling was opened. */
  name: string
  /** Where in the policy: `g0.r0.s1`. */
  place: string
  /** `waiting`, `told` or `over`. */
  state: string
  /** Why it is not told, or no more. */
  reason: string
  opened_at: Millis
  ended_at: Millis | null
}

/** One attempt by one way. */
export interface PageAttemptRow {
  id: string
  telling_id: string
  round: number
  channel: string
  contact_point_id: string | null
  /** `queued` (live), `accepted`, `delivered`, `retry` or `refused`. */
  outcome: string
  reason: string
  at: Millis
  /** Receipts of the live push. */
  received_at: Millis | null
  displayed_at: Millis | null
}

/** The one row that says how far routing has come. */
export interface RoutingStateRow {
  /** Always `pipeline`. */
  id: string
  /** Another with every transaction that routed something. */
  revision: string
  /** The newest instant dealt with. */
  at: Millis
  /** When it must be looked at again; null: nothing waits. */
  next_at: Millis | null
  /** Key of the obligation that does so. */
  plan: string | null
}

/** What routing knows of one label set; `body` is the pipeline's row as JSON. */
export interface RoutingAlertRow {
  fingerprint: string
  /** The newest life. */
  alert_id: string
  /** 1: the rule says it fires. */
  firing: number
  /** 1: a receiver that pages was told of this life, and was not told of its end. */
  paged: number
  /** 1: a silence, another alert or a dependency keeps it from everybody. */
  held: number
  body: string
}

/** Alerts told together to one receiver; `id` is the SHA-256 of the group's key. */
export interface RoutingGroupRow {
  id: string
  body: string
}

export interface RoutingSilenceRow {
  id: string
  /** Account of its author; null: none is known. */
  principal_id: string | null
  body: string
}

/** That and why somebody was not told of an alert, or not yet. */
export interface RoutingHoldRow {
  key: string
  alert_id: string
  at: Millis
  stage: string
  /** Null: everybody. */
  receiver: string | null
  because: string
  until_at: Millis | null
}

/** Until when an active alert lasts that somebody posted. */
export interface ExternalAlertRow {
  alert_id: string
  /** Not always the newest: kept as far as a restart needs it. */
  ends_at: Millis
  /** 1 when the sender said so. */
  explicit: number
  generator_url: string
  /** Name of the principal. */
  posted_by: string
}

/** A file of an incident; its content lies in the data folder by its SHA-256. */
export interface AttachmentRow {
  id: string
  incident_id: string
  /** `[erased]` once it was. */
  name: string
  media_type: string
  bytes: number
  /** Lower-case hexadecimal; empty once it was erased. */
  sha256: string
  added_at: Millis
  added_by: string
  erased_at: Millis | null
  /** SHA-256 of an erased file that is still to be removed from the disk. */
  leaving: string | null
}

/** Of an incident or, without one, of a period. */
export interface LegalHoldRow {
  id: string
  incident_id: string | null
  /** What was recorded from here on is kept. */
  from_at: Millis
  /** End of a period, exclusive. */
  to_at: Millis | null
  reason: string
  /** When it ends by itself; null: not before it is released. */
  until_at: Millis | null
  set_at: Millis
  set_by: string
  released_at: Millis | null
  release_asked_by: string | null
  released_by: string | null
  release_reason: string | null
}

/** Personal data that two people erased. */
export interface ErasureRow {
  id: string
  incident_id: string
  /** `fact` or `attachment`. */
  kind: string
  object_id: string
  /** JSON list of names of fields. */
  fields: string
  reason: string
  asked_by: string
  approved_by: string
  erased_at: Millis
}

/** A freeze of evidence that is owed, or done. */
export interface IncidentFreezeRow {
  incident_id: string
  /** `detection`, or `recovery N` with the number of facts before it. */
  stage: string
  due_at: Millis
  done_at: Millis | null
}

/** What the hub froze of its own data: canonical JSON by its SHA-256. */
export interface IncidentEvidenceRow {
  hash: string
  incident_id: string
  stage: string
  about: string
  at: Millis
  /** Of the JSON. */
  bytes: number
  /** The JSON, gzip, base64. */
  body: string
}

/** What counting over many incidents needs of one; follows from its facts. */
export interface IncidentCountedRow {
  incident_id: string
  at: Millis
  /** JSON lists of names and of codes. */
  services: string
  causes: string
  acknowledge_millis: number | null
  restore_millis: number | null
  calls_attempted: number | null
  calls_failed: number | null
}

/** A service that an incident affects, by the incident's number. */
export interface IncidentServiceRow {
  service: string
  number: number
  incident_id: string
}

/** A month whose recurrences a person judges. */
export interface RecurrenceMonthRow {
  /** `2026-03`. */
  month: string
  due_at: Millis
  decision: string | null
  /** JSON: the text, and the groups that were judged. */
  content: string | null
  signed_by: string | null
  signed_at: Millis | null
}

/** A word about an incident to another system. */
export interface IncidentWebhookMessageRow {
  id: string
  /** The name of the webhook in the configuration. */
  webhook: string
  incident_id: string
  event: string
  /** JSON, as it is sent. */
  body: string
  at: Millis
  /** `waiting`, `sent` or `given up`. */
  state: string
  answer: string | null
  ended_at: Millis | null
}

/** An incident of the past by its owner's reference. */
export interface IncidentImportRow {
  reference: string
  incident_id: string
  content_hash: string
  imported_by: string
  at: Millis
}
