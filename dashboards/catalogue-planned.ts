import type { Metric, MetricType } from './catalogue.ts'

/** Metrics of one part of the hub or the collector to come, all with the same labels first. */
function planned(waitsFor: string, from: string, shared: readonly string[]) {
  return (
    name: string,
    type: MetricType,
    unit: string,
    help: string,
    labels: readonly string[] = [],
  ): Metric => ({
    ...{ name: `callward_${name}`, type, unit, help },
    ...{ labels: [...shared, ...labels], from, waitsFor },
  })
}

const sip = planned('a source that reads the call system', 'collector: sip', [])
const trunk = planned('a source that reads the trunks', 'collector: trunks', ['trunk'])
const queue = planned('a source that reads the queues', 'collector: queues', ['queue'])
const dialler = planned('a source that reads the dialler', 'collector: dialler', ['campaign'])
const work = planned('maintenance windows in the hub', 'hub: maintenance', [])
const feedback = planned('customer feedback in the hub', 'hub: feedback', ['channel'])

/** Names fixed ahead of the parts that will emit them. */
export const plannedMetrics: readonly Metric[] = [
  sip('sip_sessions_active', 'gauge', '', 'Calls in progress.'),
  sip('sip_session_attempts_total', 'counter', '', 'First INVITEs; no retry after 401 or 407.'),
  sip(
    'sip_session_results_total',
    'counter',
    '',
    'Final answers to INVITE, by code; neither re-INVITEs nor 401 and 407.',
    ['trunk', 'code', 'direction'],
  ),
  sip('sip_sessions_completed_total', 'counter', '', 'Calls that ended by BYE.'),
  sip('sip_registrations_total', 'counter', '', 'Registrations, by outcome: ok, ineffective.', [
    'outcome',
  ]),
  sip(
    'sip_session_request_delay_seconds',
    'histogram',
    'seconds',
    'From INVITE to the first sign of the other side (RFC 6076, 4.3), by outcome: ok, failed.',
    ['outcome'],
  ),
  sip('rtp_mos', 'histogram', '', 'Estimated opinion score of each call, 1 to 4.5.'),
  sip('rtp_packets_lost_total', 'counter', '', 'Media packets that did not come.', ['trunk']),
  sip('rtp_packets_expected_total', 'counter', '', 'Media packets that should have come.', [
    'trunk',
  ]),
  sip('rtp_one_way_audio_total', 'counter', '', 'Calls in which only one side sent media.'),
  trunk('trunk_up', 'gauge', '', '1 while the trunk answers OPTIONS or is registered, else 0.'),
  trunk('trunk_options_rtt_seconds', 'gauge', 'seconds', 'Round trip of the newest OPTIONS.'),
  trunk('trunk_channels_in_use', 'gauge', '', 'Channels of the trunk in use.'),
  trunk('trunk_channels_limit', 'gauge', '', 'Channels the contract allows.'),
  queue('queue_waiting', 'gauge', '', 'Callers who wait.'),
  queue('queue_oldest_wait_seconds', 'gauge', 'seconds', 'Wait of who has waited longest.'),
  queue('queue_answered_total', 'counter', '', 'Calls answered.'),
  queue('queue_answered_in_target_total', 'counter', '', 'Calls answered in the promised time.'),
  queue('queue_abandoned_total', 'counter', '', 'Callers who hung up first.'),
  dialler('dialler_calls_total', 'counter', '', 'Calls placed, by result.', ['result']),
  dialler('dialler_agents', 'gauge', '', 'Agents, by state.', ['state']),
  work('maintenance_windows_total', 'counter', '', 'Windows that ended, by result.', ['result']),
  work('notice_lead_seconds', 'histogram', 'seconds', 'From a notice to the start of the work.', [
    'kind',
  ]),
  work('notices_total', 'counter', '', 'Notices to customers, by channel and result.', [
    'channel',
    'result',
  ]),
  feedback('feedback_invites_total', 'counter', '', 'Customers asked for their opinion.'),
  feedback('feedback_responses_total', 'counter', '', 'Answers, by score of 1 to 5.', ['score']),
  feedback('feedback_open', 'gauge', '', 'Feedback nobody has answered, by topic.', ['topic']),
  feedback('feedback_first_reply_seconds', 'histogram', 'seconds', 'From feedback to our answer.'),
]
