/** Asks a route as somebody; throws when it is refused. */
export type As = (path: string, body: object) => Promise<unknown>

export interface People {
  readonly lead: As
  readonly leadName: string
  readonly technician: As
  readonly technicianName: string
}

const role = (name: string, person: string) => ({
  kind: 'role',
  value: { text: `${person} takes the part ${name}.`, role: name, person },
})

/** An incident that was recorded, led by one and investigated by another. */
export async function investigate(incident: string | number, people: People): Promise<void> {
  const { lead, leadName, technician, technicianName } = people
  const path = `/api/v1/incidents/${incident}`
  const plan = { kind: 'plan_activated', value: { text: 'None fits.', reason: 'does_not_apply' } }
  const step = { to: 'plan_active', role: 'commander', with: [role('commander', leadName), plan] }
  await lead(`${path}/steps`, step)
  const assigned = { text: 'Please go.', technician: technicianName }
  await lead(`${path}/facts`, { facts: [{ kind: 'assigned', value: assigned }] })
  const mine = { text: 'On my way.', technician: technicianName }
  await technician(`${path}/facts`, { facts: [{ kind: 'accepted', value: mine }] })
  await lead(`${path}/steps`, { to: 'dispatched', role: 'commander' })
  const arrived = { kind: 'arrived', value: { ...mine, mode: 'remote' } }
  const there = { to: 'investigating', role: 'technician', with: [arrived] }
  await technician(`${path}/steps`, there)
}

/** The leader saw it work, who did not fix it. */
export async function restore(incident: string | number, people: People): Promise<void> {
  const { lead, leadName } = people
  const value = { text: 'A call went through.', evidence: 'person', verifier: leadName }
  const step = { to: 'restored', role: 'commander', with: [{ kind: 'recovered', value }] }
  await lead(`/api/v1/incidents/${incident}/steps`, step)
}
