import type { Static } from 'typebox'
import { missingFor } from '../../incidents/judge.ts'
import { holders, type Picture } from '../../incidents/picture.ts'
import { describe } from '../../incidents/replay.ts'
import { type Role, roleNames, staffRoles, transitions } from '../../incidents/workflow.ts'
import { type Millis, rfc3339 } from '../clock.ts'
import type { WorkflowView } from './workflow-schema.ts'

/** Where an incident stands, what may come next and what that still lacks, for who asks. */
export function workflowView(
  picture: Picture,
  asker: string,
  now: Millis,
): Static<typeof WorkflowView> {
  const { state, owed, figures, violations } = describe(picture, now)
  const held = roleNames.filter((role) => holders(picture, role).has(asker))
  return {
    state,
    roles: staffRoles
      .map((role) => ({ role, people: [...holders(picture, role)] }))
      .filter(({ people }) => people.length > 0),
    mine: held,
    steps: transitions
      .filter(({ from, roles }) => from.includes(state) && roles.some((role) => role !== 'hub'))
      .map((step) => {
        const people = step.roles.filter((role) => role !== 'hub')
        const role: Role = people.find((one) => held.includes(one)) ?? people[0] ?? 'commander'
        const move = { to: step.to, by: asker, role, at: now }
        return {
          ...{ to: step.to, rule: step.rule, roles: people, role, because: step.because },
          needs: [...step.guards],
          missing: missingFor({ ...picture, simple: false }, move).map(({ guard, ...said }) => ({
            ...(guard === undefined ? {} : { guard }),
            ...said,
          })),
        }
      }),
    owed: owed.map(({ dueAt, ...one }) => ({
      ...one,
      ...(dueAt === undefined ? {} : { dueAt: rfc3339(dueAt) }),
    })),
    figures: { ...figures },
    violations: violations.map(({ code, params, text }) => ({ code, params, text })),
  }
}
