import type { Channel } from './channel.ts'
import { dingtalk } from './dingtalk.ts'
import { email } from './email.ts'
import { feishu } from './feishu.ts'
import { slack } from './slack.ts'
import { sms } from './sms.ts'
import { teams } from './teams.ts'
import { webhook } from './webhook.ts'
import { wecom } from './wecom.ts'

/** Every channel that this part sends by; `live` is the hub's own push and is sent elsewhere. */
export const channels: readonly Channel[] = [
  email,
  webhook,
  slack,
  teams,
  feishu,
  dingtalk,
  wecom,
  sms,
]

const byName = new Map(channels.map((one) => [one.name, one]))

/** A channel by name; undefined for `live` and unknown ones. */
export function channelOf(name: string): Channel | undefined {
  return byName.get(name)
}
