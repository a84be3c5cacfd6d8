/** A parser that was written from a document alone. */
export interface UnprovenParser {
  /** As in docs/collector.md, section "Unproven parsers". */
  readonly name: string
  /** The document it follows, and what would prove it. */
  readonly why: string
}

/**
 * Parsers without a fixture from a public source or a real machine: what they say is to be checked by hand on the first host
 * that has the thing. One leaves the list when such a fixture stands in test/fixtures. docs/collector.md names the same ones;
 * test/unit/collector/check.test.ts compares.
 */
export const unprovenParsers: readonly UnprovenParser[] = [
  {
    name: 'cgroups',
    why: 'units in the layouts of cgroup v1 and hybrid, instances of templates: after systemd.special(7); wants a host with cgroup v1',
  },
  {
    name: 'timesyncd',
    why: 'when it last set the clock: after systemd-timesyncd.service(8); wants a host that runs it',
  },
  {
    name: 'pcie',
    why: 'counts of corrected and fatal errors: after the kernel’s sysfs-bus-pci-devices-aer_stats; wants a device with AER',
  },
  {
    name: 'edac',
    why: 'rows and modules of a memory controller: after the kernel’s documents; wants ECC memory',
  },
  {
    name: 'smart',
    why: 'SCSI (SAS) disks and what nvme smart-log says: after their documents; wants such disks',
  },
  {
    name: 'dnf-updates',
    why: 'what dnf updateinfo says: rows as public texts show them; wants a host with dnf',
  },
  {
    name: 'rpm',
    why: 'installed packages: rows as public samples show them, asked once by hand; wants a host with rpm',
  },
  {
    name: 'service-versions',
    why: 'asterisk, freeswitch, opensips, rtpengine, rtpproxy, Oracle’s mysql: as sources and manuals show; wants these programs',
  },
]
