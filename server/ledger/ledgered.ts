/** One kind of change that is ledgered. */
export interface LedgeredAction {
  /** What happened, in words. */
  readonly what: string
  /** Type of the object it happened to. */
  readonly object: string
  /** Who does it. */
  readonly who: string
  /** What the entry holds; `*` marks what is there as a salted hash only. */
  readonly holds: readonly string[]
}

const staff = 'person'
const hub = 'hub'

/** Every change that is ledgered; docs/ledger.md shows this table, and tests hold both, and the code, to it. */
export const ledgered = {
  'ledger.opened': {
    what: 'A log begins: at the first start, after a restore, or because an administrator asked. Names the log before it, its size and its root.',
    object: 'ledger',
    who: 'hub, or who restored',
    holds: ['origin', 'reason', 'previous'],
  },
  'ledger.key_added': {
    what: 'A key that signs checkpoints was used for the first time.',
    object: 'ledger-key',
    who: hub,
    holds: ['publicKey'],
  },
  'ledger.witness': {
    what: 'A witness was named in the configuration, got another key there, or is not in it any more; found at a start.',
    object: 'ledger-witness',
    who: hub,
    holds: ['change', 'key', 'before'],
  },
  'ledger.read': {
    what: 'Somebody read the ledger (once a minute for each account).',
    object: 'ledger',
    who: staff,
    holds: ['role', 'path'],
  },
  'ledger.bundle': {
    what: 'An evidence bundle was made.',
    object: 'bundle',
    who: staff,
    holds: ['kind', 'incident', 'from', 'to', 'role'],
  },
  'alert.fired': {
    what: 'An alert began to fire.',
    object: 'alert',
    who: hub,
    holds: ['fingerprint', 'labels', 'incident', 'rule', 'severity', 'value', 'late'],
  },
  'alert.resolved': {
    what: 'An alert ended.',
    object: 'alert',
    who: hub,
    holds: ['fingerprint', 'labels', 'incident', 'rule', 'severity', 'value', 'late'],
  },
  'alert.acknowledged': {
    what: 'A person took care of an alert.',
    object: 'alert',
    who: staff,
    holds: ['fingerprint', 'labels', 'incident', 'rule', 'severity', 'value', 'late'],
  },
  'incident.fact': {
    what: 'A stamped fact was added to an incident: opening, alerts, notes, acknowledgement, relapse, recovery.',
    object: 'incident',
    who: 'hub or person',
    holds: ['fact', 'kind', 'certainty', 'supersedes', 'value*'],
  },
  'incident.state': {
    what: 'An incident was opened, acknowledged, resolved or taken up again.',
    object: 'incident',
    who: 'hub or person',
    holds: ['state', 'number', 'severity', 'joinKey', 'runbookHash'],
  },
  'attachment.added': {
    what: 'A file was attached to an incident.',
    object: 'incident',
    who: staff,
    holds: ['attachment', 'bytes', 'mediaType', 'name*', 'sha256*'],
  },
  'erasure.made': {
    what: 'Two people erased personal data of a fact or an attachment: texts and salts are gone, the hashes of `entries` prove nothing any more.',
    object: 'incident',
    who: 'who agreed',
    holds: ['erasure', 'kind', 'of', 'fields', 'entries', 'requestedBy', 'left*', 'reason*'],
  },
  'hold.set': {
    what: 'An incident or a period was put under legal hold.',
    object: 'hold',
    who: staff,
    holds: ['incident', 'from', 'to', 'until', 'reason*'],
  },
  'hold.released': {
    what: 'Two people released a legal hold.',
    object: 'hold',
    who: 'who agreed',
    holds: ['incident', 'requestedBy', 'reason*'],
  },
  'time_limits.in_force': {
    what: 'The time limits of incidents came into force: at a start with other ones than before, or because their files were changed.',
    object: 'time-limits',
    who: hub,
    holds: ['sha256', 'serviceLevels', 'regulators'],
  },
  'incident.update_overdue': {
    what: 'The update of an incident that was promised by a time was not sent; once for each promise, with the accounts that were told.',
    object: 'incident',
    who: hub,
    holds: ['dueAt', 'severity', 'told'],
  },
  'notice.written': {
    what: 'A notice of an incident was written; one to customers waits for a second person.',
    object: 'notice',
    who: staff,
    holds: [
      ...['incident', 'audience', 'form', 'language', 'version', 'series', 'textHash'],
      'contactPoints',
    ],
  },
  'notice.sent': {
    what: 'A notice of an incident went out, with the fact that says so and who approved it.',
    object: 'notice',
    who: staff,
    holds: [
      ...['incident', 'audience', 'form', 'language', 'version', 'series', 'textHash'],
      ...['fact', 'approvedBy'],
    ],
  },
  'notice.delivery': {
    what: 'How it ended to bring a notice, or a word to an incident’s own people, to one receiver.',
    object: 'notice',
    who: hub,
    holds: [
      ...['delivery', 'key', 'channel', 'state', 'contactPoint', 'attempts'],
      ...['reason*', 'recipient*'],
    ],
  },
  'notice.again': {
    what: 'A notice was sent again to those to whom it did not come.',
    object: 'notice',
    who: staff,
    holds: ['incident', 'deliveries'],
  },
  'dispatch.asked': {
    what: 'A technician was asked to take an incident, and until when an answer is waited for.',
    object: 'incident',
    who: 'hub or person',
    holds: ['fact', 'account', 'dueAt'],
  },
  'dispatch.answered': {
    what: 'How asking a technician ended: accepted, declined, passed to the next, or over.',
    object: 'incident',
    who: hub,
    holds: ['fact', 'state', 'endedAt'],
  },
  'dispatch.exhausted': {
    what: 'Nobody was left to ask after a technician.',
    object: 'incident',
    who: hub,
    holds: ['fact'],
  },
  'incident.recurrence_signed': {
    what: 'The incidents that recurred in a month were judged: by a person, or by the hub where there was nothing to judge.',
    object: 'recurrence-month',
    who: 'person or hub',
    holds: ['decision', 'sha256', 'text*'],
  },
  'change.entry': {
    what: 'A change record was made, corrected, approved, rejected, verified, closed, or something was linked to it.',
    object: 'change',
    who: staff,
    holds: ['entry', 'kind', 'state', 'supersedes', 'value*'],
  },
  'version_change.linked': {
    what: 'What changed on a host was linked to a change record.',
    object: 'version-change',
    who: 'hub or person',
    holds: ['change', 'kind', 'reason*'],
  },
  'baseline.version': {
    what: 'A version of a baseline was read for the first time; where two people must agree, it was taken.',
    object: 'baseline',
    who: 'hub, or who asked for it',
    holds: ['role', 'version', 'hash'],
  },
  'correlation.version': {
    what: 'A version of the correlation rules was stored, and holds from then on.',
    object: 'correlation',
    who: staff,
    holds: ['version', 'hash'],
  },
  'enrolment.token_made': {
    what: 'A one-time token to enrol a host was made.',
    object: 'enrolment-token',
    who: staff,
    holds: ['instance', 'labels', 'replaces', 'expiresAt'],
  },
  'enrolment.made': {
    what: 'A host was enrolled: the token was used and its key registered.',
    object: 'enrolment',
    who: 'the account that made the token',
    holds: ['instance', 'token', 'publicKey', 'replaced', 'from*'],
  },
  'enrolment.token_misused': {
    what: 'A token that was used before came again. Others that are refused are counted, not ledgered.',
    object: 'enrolment-token',
    who: 'unknown',
    holds: ['misuses', 'from*'],
  },
  'enrolment.revoked': {
    what: 'A host’s key was revoked.',
    object: 'enrolment',
    who: staff,
    holds: ['instance'],
  },
  'enrolment.count_accepted': {
    what: 'An administrator accepts a host’s next session as it counts itself.',
    object: 'enrolment',
    who: staff,
    holds: ['instance'],
  },
  'access.token_made': {
    what: 'An access token was made.',
    object: 'token',
    who: staff,
    holds: ['name', 'role'],
  },
  'access.token_revoked': {
    what: 'An access token was revoked, and with it the sessions of its account.',
    object: 'token',
    who: staff,
    holds: ['principal'],
  },
  'access.link_made': {
    what: 'A link to sign in was made.',
    object: 'principal',
    who: staff,
    holds: ['expiresAt'],
  },
  'access.signed_in': {
    what: 'Somebody signed in to the console, by a password, a link or a token.',
    object: 'principal',
    who: 'the account itself',
    holds: ['name', 'by', 'expiresAt'],
  },
  'access.signed_out': {
    what: 'Somebody signed out of the console.',
    object: 'principal',
    who: 'the account itself',
    holds: [],
  },
  'access.sessions_ended': {
    what: 'Console sessions of a person were ended: by themselves, or because password, role, second factor or account changed.',
    object: 'principal',
    who: staff,
    holds: ['count'],
  },
  'access.password_link_made': {
    what: 'A link that sets a password was made: an invitation, or for who forgot it.',
    object: 'principal',
    who: staff,
    holds: ['expiresAt'],
  },
  'access.password_set': {
    what: 'Somebody set the own password, by a link or by the old password.',
    object: 'principal',
    who: 'the account itself',
    holds: ['by'],
  },
  'access.second_factor': {
    what: 'A second factor was set up or removed, its recovery codes were renewed, or one of them was used.',
    object: 'principal',
    who: staff,
    holds: ['change'],
  },
  'people.invited': {
    what: 'A person got an account.',
    object: 'principal',
    who: staff,
    holds: ['name', 'role'],
  },
  'people.role': {
    what: 'A person’s role was changed, and with it sessions and tokens ended.',
    object: 'principal',
    who: staff,
    holds: ['name', 'from', 'to', 'tokensRevoked'],
  },
  'people.changed': {
    what: 'A person’s e-mail address was changed.',
    object: 'principal',
    who: staff,
    holds: ['name', 'changed'],
  },
  'people.disabled': {
    what: 'A person’s account was disabled, and with it tokens, links and sessions.',
    object: 'principal',
    who: staff,
    holds: ['name'],
  },
  'people.enabled': {
    what: 'A person’s account was enabled again.',
    object: 'principal',
    who: staff,
    holds: ['name'],
  },
  'people.team': {
    what: 'A team was created, changed or removed.',
    object: 'team',
    who: staff,
    holds: ['change', 'before', 'after'],
  },
  'approval.requested': {
    what: 'Somebody asked for what takes two people.',
    object: 'approval',
    who: staff,
    holds: ['kind', 'subject', 'contentHash', 'expiresAt'],
  },
  'approval.approved': {
    what: 'A second person agreed, and what was asked for was done in the same transaction.',
    object: 'approval',
    who: staff,
    holds: ['kind', 'subject', 'contentHash', 'requestedBy'],
  },
  'approval.rejected': {
    what: 'A second person said no, or the first took the request back.',
    object: 'approval',
    who: staff,
    holds: ['kind', 'subject', 'requestedBy', 'reason*'],
  },
  'approval.expired': {
    what: 'Nobody decided in time.',
    object: 'approval',
    who: hub,
    holds: ['kind', 'subject', 'requestedBy'],
  },
  'oncall.schedule': {
    what: 'An on-call schedule was created, changed or deleted.',
    object: 'schedule',
    who: staff,
    holds: ['change', 'before', 'after'],
  },
  'oncall.policy': {
    what: 'An escalation policy was created, changed or deleted.',
    object: 'policy',
    who: staff,
    holds: ['change', 'before', 'after'],
  },
  'oncall.override': {
    what: 'A shift was given to somebody else, or that was taken back; why stands in the history of on-call duty.',
    object: 'override',
    who: staff,
    holds: ['change', 'before', 'after'],
  },
  'oncall.handover': {
    what: 'Who takes over a shift said that the note was read.',
    object: 'handover',
    who: staff,
    holds: ['change', 'before', 'after'],
  },
  'silence.set': {
    what: 'A silence was set or changed.',
    object: 'silence',
    who: staff,
    holds: ['matchers', 'startsAt', 'endsAt', 'createdBy', 'untilResolved', 'forced', 'reason*'],
  },
  'silence.ended': {
    what: 'A silence ended: by somebody, by its time, or because what it hid is over.',
    object: 'silence',
    who: 'hub or person',
    holds: ['because'],
  },
  'notify.contact_point': {
    what: 'A contact point was created, changed or removed; addresses and secrets are not in it.',
    object: 'contact-point',
    who: staff,
    holds: ['change', 'owner', 'channel'],
  },
  'paging.opened': {
    what: 'A critical alert opened a page.',
    object: 'page',
    who: hub,
    holds: [
      ...['number', 'alert', 'policy', 'revision', 'policySha256', 'groupKey', 'lane', 'severity'],
      'title*',
    ],
  },
  'paging.notice': {
    what: 'A notice that asks nobody to act: a page that is closed as it is opened.',
    object: 'page',
    who: hub,
    holds: [
      ...['number', 'alert', 'policy', 'revision', 'policySha256', 'groupKey', 'lane', 'severity'],
      'title*',
    ],
  },
  'paging.joined': {
    what: 'Alerts came to a page, those it was opened for included.',
    object: 'page',
    who: hub,
    holds: ['alerts'],
  },
  'paging.step': {
    what: 'A page climbed a step, or why a step told nobody.',
    object: 'page',
    who: hub,
    holds: ['step', 'kind', 'content*'],
  },
  'paging.attempt': {
    what: 'An attempt to reach somebody by one way.',
    object: 'page',
    who: hub,
    holds: ['attempt', 'telling', 'round', 'channel', 'outcome', 'contactPoint', 'reason*'],
  },
  'paging.told': {
    what: 'Somebody was told of a page, or will not be, and why.',
    object: 'page',
    who: hub,
    holds: [
      ...['telling', 'kind', 'place', 'key', 'state', 'name', 'recipientKind', 'recipientId'],
      'reason*',
    ],
  },
  'paging.acknowledged': {
    what: 'Somebody took a page.',
    object: 'page',
    who: staff,
    holds: ['number'],
  },
  'paging.closed': {
    what: 'Every alert of a page has resolved.',
    object: 'page',
    who: hub,
    holds: ['number'],
  },
} as const satisfies Readonly<Record<string, LedgeredAction>>

/** The table of docs/ledger.md, in Markdown. */
export function ledgeredTable(): string {
  const rows = Object.entries<LedgeredAction>(ledgered).map(
    ([action, { what, object, who, holds }]) =>
      `| \`${action}\` | ${what} | ${object} | ${who} | ${holds.map((name) => `\`${name}\``).join(', ') || 'nothing more'} |`,
  )
  return ['| action | what | object | who | content |', '|---|---|---|---|---|', ...rows].join('\n')
}
