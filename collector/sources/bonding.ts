import { join } from 'node:path'
import { type Metric, metric, type Roots, type Source, seen, unseen } from '../source.ts'
import { atMostEvery, minute, readAttribute } from './sysfs.ts'

interface Member {
  readonly master: string
  readonly slave: string
  readonly stateFile: string
}

/** Links joined to one (kernel's networking/bonding.rst). Names: node_exporter `bonding`, and the state of each member. */
export function bondingSource(roots: Roots): Source {
  const folder = join(roots.sys, 'class/net')
  const bonds = atMostEvery(minute, () => findBonds(folder))
  return {
    name: 'bonding',
    async read(now) {
      const found = bonds(now)
      if (found.size === 0) return unseen('absent', 'no bonded interface')
      return seen([...found].flatMap(([master, members]) => bondMetrics(master, members)))
    },
  }
}

function bondMetrics(master: string, members: readonly Member[]): Metric[] {
  const up = members.map(({ stateFile }) => readAttribute(stateFile) === 'up')
  return [
    metric('node_bonding_slaves', members.length, { master }),
    metric('node_bonding_active', up.filter(Boolean).length, { master }),
    ...members.map(({ slave }, i) =>
      metric('callward_bonding_member_up', up[i] === true ? 1 : 0, { master, device: slave }),
    ),
  ]
}

function findBonds(folder: string): Map<string, Member[]> {
  const bonds = new Map<string, Member[]>()
  for (const master of wordsOf(join(folder, 'bonding_masters'))) {
    const slaves = wordsOf(join(folder, master, 'bonding/slaves'))
    bonds.set(
      master,
      slaves.map((slave) => ({ master, slave, stateFile: stateFile(join(folder, master), slave) })),
    )
  }
  return bonds
}

function wordsOf(path: string): string[] {
  return (readAttribute(path) ?? '').split(/\s+/).filter((word) => word !== '')
}

/** `slave_eth0` before Linux 3.13, `lower_eth0` since. */
function stateFile(folder: string, slave: string): string {
  const path = join(folder, `lower_${slave}`, 'bonding_slave/mii_status')
  if (readAttribute(path) !== undefined) return path
  return join(folder, `slave_${slave}`, 'bonding_slave/mii_status')
}
