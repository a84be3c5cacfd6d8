import type { HostLabels } from '../wire/frames.ts'

export interface SimulatedFilesystem {
  readonly mountPoint: string
  readonly device: string
  readonly type: string
  readonly sizeBytes: number
  /** Used share at the demo's start. */
  readonly usedRatio: number
  /** Growth of the used share an hour. */
  readonly growthPerHour: number
}

export interface SimulatedHostPlan {
  readonly labels: HostLabels
  readonly cpus: number
  readonly memoryBytes: number
  readonly filesystems: readonly SimulatedFilesystem[]
  /** Busy share of a CPU in the quietest and in the busiest hour. */
  readonly busyRatio: readonly [quiet: number, peak: number]
  /** Calls at once in the busiest hour; each is 2 × 87.2 kbit/s of G.711 over RTP. 0 for hosts without media. */
  readonly callsAtPeak: number
  /** Bytes written a second in the busiest hour. */
  readonly writtenBytesPerSecond: number
  /** Days since its last start. */
  readonly uptimeDays: number
}

const gibibyte = 1024 ** 3

function root(usedRatio = 0.34): SimulatedFilesystem {
  const size = 80 * gibibyte
  return {
    mountPoint: '/',
    device: '/dev/sda1',
    type: 'ext4',
    sizeBytes: size,
    usedRatio,
    growthPerHour: 0.00002,
  }
}

function volume(
  mountPoint: string,
  gibibytes: number,
  usedRatio: number,
  growthPerHour: number,
): SimulatedFilesystem {
  const sizeBytes = gibibytes * gibibyte
  return { mountPoint, device: '/dev/sdb1', type: 'xfs', sizeBytes, usedRatio, growthPerHour }
}

type Place = readonly [customer: string, site: string]
const northHanoi: Place = ['north-bank', 'hanoi']
const northDanang: Place = ['north-bank', 'danang']
const riverSaigon: Place = ['river-bank', 'saigon']

type Details = Partial<Omit<SimulatedHostPlan, 'labels'>>

function host(
  name: string,
  role: string,
  [customer, site]: Place,
  details: Details,
): SimulatedHostPlan {
  const instance = `demo-${name}`
  return {
    labels: {
      job: 'callward',
      instance,
      customer,
      site,
      server: instance,
      role,
      env: 'production',
      simulated: 'true',
    },
    cpus: 4,
    memoryBytes: 16 * gibibyte,
    filesystems: [root()],
    busyRatio: [0.04, 0.4],
    callsAtPeak: 0,
    writtenBytesPerSecond: 400_000,
    uptimeDays: 40,
    ...details,
  }
}

/** The twelve hosts of the demo's call centre: two banks, three sites. */
export const simulatedHosts: readonly SimulatedHostPlan[] = [
  host('pbx-1', 'pbx', northHanoi, {
    cpus: 8,
    busyRatio: [0.05, 0.48],
    callsAtPeak: 320,
    uptimeDays: 112,
  }),
  host('pbx-2', 'pbx', riverSaigon, {
    cpus: 8,
    busyRatio: [0.05, 0.42],
    callsAtPeak: 260,
    uptimeDays: 61,
  }),
  host('sbc-1', 'sbc', northHanoi, { busyRatio: [0.03, 0.35], callsAtPeak: 340, uptimeDays: 203 }),
  host('sbc-2', 'sbc', riverSaigon, { busyRatio: [0.03, 0.31], callsAtPeak: 280, uptimeDays: 203 }),
  host('dialler-1', 'dialler', northHanoi, { busyRatio: [0.02, 0.55], callsAtPeak: 120 }),
  host('dialler-2', 'dialler', northDanang, { busyRatio: [0.02, 0.52], callsAtPeak: 110 }),
  host('dialler-3', 'dialler', riverSaigon, {
    busyRatio: [0.02, 0.5],
    callsAtPeak: 100,
    uptimeDays: 9,
  }),
  host('ivr-1', 'ivr', northHanoi, { busyRatio: [0.06, 0.45], callsAtPeak: 180 }),
  host('queue-1', 'queue', northHanoi, { busyRatio: [0.04, 0.38], callsAtPeak: 90 }),
  host('recorder-1', 'recorder', northHanoi, {
    cpus: 8,
    memoryBytes: 32 * gibibyte,
    busyRatio: [0.05, 0.36],
    // A steady trend lets a forecast over hours react to the story's sudden growth; alone it stays above 24 h.
    filesystems: [root(), volume('/var/spool/recordings', 4096, 0.61, 0.013)],
    callsAtPeak: 300,
    writtenBytesPerSecond: 9_000_000,
  }),
  host('cdr-1', 'db', northDanang, {
    cpus: 8,
    memoryBytes: 64 * gibibyte,
    busyRatio: [0.08, 0.46],
    filesystems: [root(), volume('/var/lib/postgresql', 1024, 0.47, 0.0004)],
    writtenBytesPerSecond: 4_000_000,
    uptimeDays: 88,
  }),
  host('backup-1', 'backup', northDanang, {
    busyRatio: [0.03, 0.12],
    filesystems: [root(), volume('/srv/backup', 16_384, 0.58, 0.0003)],
    writtenBytesPerSecond: 1_500_000,
    uptimeDays: 131,
  }),
]

/** Documents of facts of a simulated host; each says that it is simulated. */
export function simulatedFacts(plan: SimulatedHostPlan): Readonly<Record<string, unknown>> {
  const { cpus, memoryBytes, labels } = plan
  const byRole: Readonly<Record<string, Record<string, string>>> = {
    pbx: { asterisk: '20.9.3' },
    sbc: { kamailio: '5.8.4', rtpengine: '12.5.1' },
    dialler: { asterisk: '20.9.2' },
    ivr: { freeswitch: '1.10.12' },
    queue: { asterisk: '20.9.3' },
    db: { postgresql: '15.10' },
    backup: { restic: '0.16.4' },
  }
  return {
    hardware: {
      simulated: true,
      system: {
        manufacturer: 'simulated',
        model: 'simulated server',
        serial: 'simulated',
        virtual: true,
      },
      cpu: { manufacturer: 'simulated', brand: 'simulated', cores: cpus },
      memoryBytes,
      disks: plan.filesystems.map(({ device, sizeBytes }) => ({
        device,
        bytes: sizeBytes,
        health: 'simulated',
      })),
    },
    os: {
      simulated: true,
      distribution: 'Debian GNU/Linux',
      release: '12',
      kernel: '6.1.0-28-amd64',
      architecture: 'x64',
      hostname: labels.instance,
    },
    packages: {
      simulated: true,
      manager: 'dpkg',
      packages: { chrony: '4.3-2+deb12u1', openssl: '3.0.15-1~deb12u1', ...byRole[labels.role] },
    },
    software: {
      simulated: true,
      services: Object.entries(byRole[labels.role] ?? {}).map(([name, version]) => ({
        name,
        version,
        source: 'simulated',
      })),
      files: [],
      certificates: [],
      licences: [],
      updates: { state: 'absent' },
      reboot: { state: 'ok', needed: false },
      kernel: { running: '6.1.0-28-amd64', newest: '6.1.0-28-amd64' },
    },
  }
}
