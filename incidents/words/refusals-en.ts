/** What stands against a step or a fact, by its code; `{…}` are its parameters, with `Code` at the end as they are written in the records. */
export const refusalsEn = {
  phenomenon_missing: 'the phenomenon is missing',
  detected_missing: 'when it was detected is missing',
  service_missing: 'no affected service is named (impact.services)',
  preliminary_cause_missing:
    'the preliminary cause is missing (preliminary_cause; confidence "unknown" will do)',
  plan_missing: 'no runbook is pinned and no reason says that none applies (plan_activated)',
  technician_missing: 'no technician accepted (assigned, then accepted)',
  technician_not_accepted: '{person} is assigned but has not accepted (accepted)',
  nobody_arrived: 'no technician arrived or connected (arrived)',
  arrived_unaccepted: '{person} arrived without having accepted',
  recovered_missing: 'when it recovered is missing (recovered)',
  machine_evidence_missing:
    'machine evidence is missing (recovered, evidence "machine", written by the hub)',
  machine_evidence_by: 'machine evidence is written by hub, not by {person}',
  green_too_short: 'it was green for {minutes} minutes; wait for {needed} minutes',
  alert_fires: 'the alert {rule} still fires',
  verifier_missing: 'it is not said who confirmed the recovery (recovered.verifier)',
  verifier_is_fixer: 'the verifier is the fixer {person}',
  verifier_in_person: 'the verifier {person} confirms in person; {by} wrote it',
  instants_out_of_order:
    '{beforeCode} {beforeAt} is later than {afterCode} {afterAt}: correct one of them',
  later_than_record: '{kindCode} {at} is later than its record {recordedAt}: correct it',
  recorded_backwards:
    'fact {fact} was recorded at {recordedAt}, before the one ahead of it at {beforeAt}',
  relapse_missing: 'the relapse is not written (relapse)',
  relapse_too_late:
    'it came back {minutes} minutes after the recovery, not within {within} minutes: record a new incident with recurrence_of',
  nobody_investigated: 'nobody had investigated: it goes back to recorded',
  somebody_investigated: 'it had been investigated: it goes back to investigating',
  temporary_missing:
    'temporary measures are missing (temporary_measure; with none: true if there are none)',
  permanent_missing:
    'permanent measures are missing (permanent_measure; with none: true if there are none)',
  root_cause_missing: 'the coded root cause is missing (root_cause)',
  cause_level_missing: 'root cause {causeCode} needs its third level (additional)',
  cause_without_evidence: 'the root cause links to no evidence (root_cause.evidence)',
  reviewer_is_author: 'the reviewer is the author {person}',
  question_unanswered: 'closing question "{asks}" is not answered ({questionCode})',
  action_without_owner: 'action {number} has no owner',
  action_without_due: 'action {number} has no due date',
  duty_open: 'duty {duty} ({regime}) is neither met nor waived',
  major_without_duty:
    'a major incident has no regulatory duty on file: write duty_owed, or duty_waived with the reason',
  customers_not_told:
    'the closing notice to customers is missing (notice, or notice_not_needed with the reason)',
  not_attested: '{person} has not attested (attestation)',
  reviewer_not_attested: 'the reviewer has not attested (attestation)',
  changed_after_attestation: '{kindCode} changed after the attestation (fact {fact}); attest again',
  note_of_reviewer_missing: 'a note by the reviewer that says what is missing (note)',
  moved_by: '{person} moved it to {stateCode}',
  written_by: '{person} wrote {kindCode}',
  is_major: 'it is major',
  is_grave: 'it is {severity}',
  not_quiet_yet: 'it has been well for {hours} hours; wait for {needed}',
  cancel_reason_missing: 'the coded reason is missing (cancelled)',
  merge_target_missing: 'the incident it goes into is missing (merged)',
  merge_target_ended: 'another incident that is not closed',
  role_may_not: 'a {roleCode} may not do this; {rolesCode} may',
  hub_is_hub: 'the role hub and the name hub belong together',
  hub_part: 'the part hub is the program’s own',
  bootstrap_is_nobody:
    'the bootstrap token is never one of two people: a {roleCode} signs in as a person',
  part_not_held:
    '{person} is not {roleCode} of this incident ({does}): take that part with a fact "role" { role: "{roleCode}", person: "{person}" } (callward incident N take {roleCode})',
  state_final: 'the incident is {stateCode}, which is final: record a new one with recurrence_of',
  no_such_step:
    'no step leads from {fromCode} to {toCode}; from {fromCode} one goes to {statesCode}',
  take_the_step: 'everything for {stateCode} is there: take the step',
  too_many_facts: 'the incident has {count} facts, which is the limit: close it',
  opened_is_first: 'opened is the first fact of an incident, or none',
  begins_with_opened: 'the first fact of an incident is opened: how it came to be recorded',
  ended: 'the incident is {stateCode}: {kindCode} is not taken any more; write a note',
  supersedes_nothing: 'supersedes: there is no fact {fact} before this one',
  supersedes_other_kind: 'supersedes: fact {fact} is {oldCode}; only {kindCode} may be superseded',
  supersedes_old: 'supersedes: fact {fact} is superseded by {by}: name that one',
  suggestion_over_word: 'a suggestion does not supersede what {person} said',
  step_stays: 'a step is never superseded',
  stated_already: '{kindCode} is stated by fact {fact}: name it in supersedes to correct it',
  stated_already_of:
    '{kindCode} {key} is stated by fact {fact}: name it in supersedes to correct it',
  approver_missing: 'notice.approvedBy is missing: name who approved it',
  approver_is_author: 'the notice’s approver is its author {person}: let another person approve it',
  accepts_in_person: '{person} accepts in person; {by} cannot do it',
  declines_in_person: '{person} declines in person; {by} cannot do it',
  written_by_step: '{kindCode} is written by a step: ask for the step',
  answer_assignment: 'accept or decline',
  say_arrival: 'that you arrived or connected',
  say_finding: 'what you found',
  malformed: '{fault}',
} as const

/** A hint at the end for who writes by a program, as `(root_cause; ...)`. */
const hint = / \((?:[a-z_]+(?:\.[a-zA-Z]+)?|\{questionCode\})(?:[,;][^)]*)?\)$/

const forPeople = (sentence: string) => {
  const plain = sentence.replace(hint, '').replace(/Code\}/g, '}')
  return plain.charAt(0).toUpperCase() + plain.slice(1)
}

/** The same for people: kinds and states by their names, without what only programs write. */
export const refusalsForPeople = {
  ...Object.fromEntries(
    Object.entries(refusalsEn).map(([code, sentence]) => [code, forPeople(sentence)]),
  ),
  part_not_held: '{person} is not {role} of this incident ({does}): take that part first',
  // The codes are those above.
} as unknown as Readonly<Record<keyof typeof refusalsEn, string>>
