import type { FastifyInstance } from 'fastify'
import type { PolicySnapshot, Target } from '../oncall/plugin.ts'
import type { Records } from '../records/records.ts'
import { staffTeam } from './page.ts'

/** What people call the targets of a policy; whatever is gone keeps its id. */
export async function targetNames(
  read: Records['read'],
  notify: FastifyInstance['notify'],
  policy: Pick<PolicySnapshot, 'steps' | 'catchAll'>,
): Promise<(target: Target) => string> {
  const targets = [...policy.steps.flatMap((step) => step.targets), ...policy.catchAll]
  const ids = (kind: Target['kind']) => [
    ...new Set(targets.flatMap((target) => (target.kind === kind ? [target.id] : []))),
  ]
  const [people, schedules] = [ids('person'), ids('schedule')]
  const names = new Map<string, string>([[`team:${staffTeam}`, 'everybody on staff']])
  if (people.length > 0)
    for (const { id, name } of await read
      .selectFrom('principals')
      .select(['id', 'name'])
      .where('id', 'in', people)
      .execute())
      names.set(`person:${id}`, name)
  if (schedules.length > 0)
    for (const { id, content } of await read
      .selectFrom('oncall_schedules')
      .select(['id', 'content'])
      .where('id', 'in', schedules)
      .execute())
      names.set(`schedule:${id}`, (JSON.parse(content) as { name: string }).name)
  for (const id of ids('contact')) names.set(`contact:${id}`, notify.contactPoint(id)?.label ?? id)
  return ({ kind, id }) => names.get(`${kind}:${id}`) ?? id
}
