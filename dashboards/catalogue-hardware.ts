import type { Metric, MetricType } from './catalogue.ts'

/** Name, meaning, unit, type where it is no gauge. */
type Row = readonly [name: string, help: string, unit?: string, type?: MetricType]

function rows(section: string, labels: readonly string[], list: readonly Row[]): Metric[] {
  return list.map(([name, help, unit = '', type]) => ({
    name,
    help,
    unit,
    labels,
    type: type ?? (name.endsWith('_total') ? 'counter' : 'gauge'),
    from: `collector: ${section}`,
  }))
}

const disk = ['device', 'serial'] as const
const sensor = ['chip', 'sensor'] as const

/** node_exporter: mdadm, edac, nvme, dmi; and the health of disks, which it leaves to text files. */
const storage: readonly Metric[] = [
  ...rows(
    'raid',
    ['device', 'state'],
    [
      [
        'node_md_state',
        '1 for what a RAID array does now: active, inactive, recovering, resync or check.',
      ],
      ['node_md_disks', 'Disks of an array that are active, failed or spare.'],
    ],
  ),
  ...rows(
    'raid',
    ['device'],
    [
      ['node_md_disks_required', 'Disks an array is made for.'],
      ['node_md_degraded', 'Disks an array lacks.'],
      ['node_md_blocks', 'Blocks of 1 KiB of an array.'],
      ['node_md_blocks_synced', 'Blocks that are in step while an array syncs, else all of them.'],
      ['callward_md_mismatch_sectors', 'Sectors the last check found different between the disks.'],
    ],
  ),
  ...rows(
    'smart',
    ['device'],
    [
      [
        'callward_disk_reading_timestamp_seconds',
        'When root last asked a disk for its health.',
        'seconds',
      ],
    ],
  ),
  ...rows(
    'smart',
    [...disk, 'model', 'firmware', 'protocol'],
    [['callward_disk_info', 'A disk and what it is; always 1.']],
  ),
  ...rows('smart', disk, [
    [
      'callward_disk_smart_available',
      '0 for a disk that offers no SMART, such as a volume of a RAID controller.',
    ],
    [
      'callward_disk_health_passed',
      'A disk’s own verdict: 1 for PASSED, 0 for FAILED. Look at the counts besides.',
    ],
    [
      'callward_disk_reallocated_sectors_total',
      'Sectors replaced by spare ones (ATA 5, SCSI grown defects).',
    ],
    ['callward_disk_pending_sectors', 'Sectors that cannot be read now (ATA 197).'],
    [
      'callward_disk_uncorrectable_sectors',
      'Sectors the last offline scan could not read (ATA 198).',
    ],
    [
      'callward_disk_reported_errors_total',
      'Errors a disk could not correct (ATA 187, SCSI error counters).',
    ],
    [
      'callward_disk_interface_errors_total',
      'Damaged transfers between disk and controller (ATA 199).',
    ],
    ['callward_disk_media_errors_total', 'Unrecovered errors of an NVMe disk.'],
    ['callward_disk_logged_errors_total', 'Entries of a disk’s error log.'],
    ['callward_disk_self_tests_failed', 'Failed self-tests in a disk’s log.'],
    ['callward_disk_critical_warning', 'Bits of the NVMe critical warning; 0 is none.'],
    [
      'callward_disk_used_ratio',
      'Writes used of those a flash disk is made for; may pass 1.',
      'ratio',
    ],
    ['callward_disk_spare_ratio', 'Spare blocks left.', 'ratio'],
    [
      'callward_disk_spare_threshold_ratio',
      'Spare blocks below which the maker calls the disk unsafe.',
      'ratio',
    ],
    ['callward_disk_unsafe_shutdowns_total', 'Times an NVMe disk lost power without notice.'],
    ['callward_disk_power_on_seconds_total', 'Time a disk has run.', 'seconds'],
    ['callward_disk_temperature_celsius', 'Temperature of a disk.', 'celsius'],
  ]),
  ...rows(
    'nvme',
    ['device', 'firmware_revision', 'model', 'serial', 'state'],
    [['node_nvme_info', 'An NVMe controller and its state; always 1.']],
  ),
]

/** node_exporter: hwmon, thermal_zone, cpu (throttling), cpufreq. Further elements of a sensor keep the pattern of these names. */
const sensors: readonly Metric[] = [
  ...rows(
    'hwmon',
    ['chip', 'chip_name'],
    [['node_hwmon_chip_names', 'The driver’s name of a chip; always 1.']],
  ),
  ...rows(
    'hwmon',
    [...sensor, 'label'],
    [['node_hwmon_sensor_label', 'What a sensor measures; always 1.']],
  ),
  ...rows('hwmon', sensor, [
    ['node_hwmon_temp_celsius', 'Temperature.', 'celsius'],
    ['node_hwmon_temp_max_celsius', 'Temperature from which a sensor warns.', 'celsius'],
    ['node_hwmon_temp_crit_celsius', 'Temperature a chip calls critical.', 'celsius'],
    [
      'node_hwmon_temp_crit_hyst_celsius',
      'Temperature below which a critical alarm ends.',
      'celsius',
    ],
    [
      'node_hwmon_temp_crit_alarm_celsius',
      'Above 0 while the critical alarm is set (node_exporter gives it this unit).',
      'celsius',
    ],
    ['node_hwmon_temp_alarm', '1 while a temperature’s alarm is set.'],
    ['node_hwmon_temp_fault', '1 for a sensor that is broken or missing.'],
    ['node_hwmon_fan_rpm', 'Turns of a fan a minute.'],
    ['node_hwmon_fan_min_rpm', 'Turns a minute below which a fan alarms.'],
    ['node_hwmon_fan_alarm', '1 while a fan’s alarm is set.'],
    ['node_hwmon_fan_fault', '1 for a fan that is broken.'],
    ['node_hwmon_in_volts', 'Voltage.', 'volts'],
    ['node_hwmon_in_min_volts', 'Lowest voltage without alarm.', 'volts'],
    ['node_hwmon_in_max_volts', 'Highest voltage without alarm.', 'volts'],
    ['node_hwmon_in_alarm', '1 while a voltage’s alarm is set.'],
    ['node_hwmon_curr_amps', 'Current.', 'amperes'],
    ['node_hwmon_power_watt', 'Power now.', 'watts'],
    ['node_hwmon_power_average_watt', 'Power, averaged by the sensor.', 'watts'],
    ['node_hwmon_pwm', 'Drive of a fan, 0 to 255.'],
  ]),
  ...rows(
    'thermal',
    ['zone', 'type'],
    [['node_thermal_zone_temp', 'Temperature of a thermal zone.', 'celsius']],
  ),
  ...rows(
    'thermal',
    ['name', 'type'],
    [
      ['node_cooling_device_cur_state', 'How much a cooling device does now.'],
      ['node_cooling_device_max_state', 'The most a cooling device can do.'],
    ],
  ),
  ...rows(
    'thermal',
    ['package'],
    [['node_cpu_package_throttles_total', 'Times a CPU slowed down for heat.']],
  ),
  ...rows(
    'thermal',
    ['package', 'core'],
    [['node_cpu_core_throttles_total', 'Times a core slowed down for heat.']],
  ),
  ...rows(
    'cpu_frequency',
    ['cpu'],
    [
      ['node_cpu_scaling_frequency_hertz', 'Clock of a CPU, once a minute.', 'hertz'],
      ['node_cpu_scaling_frequency_min_hertz', 'Lowest clock allowed.', 'hertz'],
      ['node_cpu_scaling_frequency_max_hertz', 'Highest clock allowed.', 'hertz'],
    ],
  ),
]

/** node_exporter: edac, bonding, netclass (info), powersupplyclass, dmi, schedstat, arp, tcpstat. */
const board: readonly Metric[] = [
  ...rows(
    'edac',
    ['controller'],
    [
      ['node_edac_correctable_errors_total', 'Memory errors that were corrected, by controller.'],
      [
        'node_edac_uncorrectable_errors_total',
        'Memory errors that could not be corrected, by controller.',
      ],
    ],
  ),
  ...rows(
    'edac',
    ['controller', 'csrow'],
    [
      ['node_edac_csrow_correctable_errors_total', 'Memory errors that were corrected, by row.'],
      [
        'node_edac_csrow_uncorrectable_errors_total',
        'Memory errors that could not be corrected, by row.',
      ],
    ],
  ),
  ...rows(
    'edac',
    ['controller', 'dimm', 'label'],
    [
      [
        'callward_edac_module_correctable_errors_total',
        'Memory errors that were corrected, by module.',
      ],
      [
        'callward_edac_module_uncorrectable_errors_total',
        'Memory errors that could not be corrected, by module.',
      ],
    ],
  ),
  ...rows(
    'pcie',
    ['kind'],
    [
      [
        'callward_pcie_errors_total',
        'PCI Express errors of all devices: correctable, nonfatal, fatal.',
      ],
    ],
  ),
  ...rows(
    'pcie',
    ['device', 'kind'],
    [['callward_pcie_device_errors_total', 'PCI Express errors of a device that has any.']],
  ),
  ...rows(
    'bonding',
    ['master'],
    [
      ['node_bonding_slaves', 'Links of a bond.'],
      ['node_bonding_active', 'Links of a bond that are up.'],
    ],
  ),
  ...rows(
    'bonding',
    ['master', 'device'],
    [['callward_bonding_member_up', '1 for a member of a bond whose link is up.']],
  ),
  ...rows(
    'network',
    ['device', 'operstate', 'duplex', 'address', 'broadcast', 'ifalias'],
    [['node_network_info', 'An interface, its duplex and its state; always 1.']],
  ),
  ...rows(
    'network',
    ['device'],
    [['node_network_receive_nohandler_total', 'Packets no protocol wanted.']],
  ),
  ...rows(
    'softnet',
    ['cpu'],
    [
      ['node_softnet_received_rps_total', 'Packets another CPU handed over.'],
      ['node_softnet_flow_limit_count_total', 'Packets dropped by the limit of a flow.'],
    ],
  ),
  ...rows(
    'power_supply',
    ['power_supply'],
    [
      ['node_power_supply_online', '1 for a power supply that gives power.'],
      ['node_power_supply_present', '1 for a battery that is there.'],
      ['node_power_supply_capacity', 'Charge of a battery in per cent.'],
    ],
  ),
  ...rows(
    'dmi',
    [
      ...[
        'bios_date',
        'bios_release',
        'bios_vendor',
        'bios_version',
        'board_asset_tag',
        'board_name',
      ],
      ...[
        'board_vendor',
        'board_version',
        'chassis_asset_tag',
        'chassis_vendor',
        'chassis_version',
      ],
      ...['product_family', 'product_name', 'product_sku', 'product_version', 'system_vendor'],
    ],
    [
      [
        'node_dmi_info',
        'Maker, model and firmware of the machine; always 1. Without serial numbers.',
      ],
    ],
  ),
  ...rows(
    'schedstat',
    ['cpu'],
    [
      ['node_schedstat_running_seconds_total', 'Time tasks ran on a CPU.', 'seconds'],
      ['node_schedstat_waiting_seconds_total', 'Time tasks waited for a CPU.', 'seconds'],
      ['node_schedstat_timeslices_total', 'Slices a CPU gave to tasks.'],
    ],
  ),
  ...rows('arp', ['device'], [['node_arp_entries', 'Neighbours known on an interface.']]),
  ...rows(
    'tcp_states',
    ['state'],
    [['node_tcp_connection_states', 'TCP connections by state, and bytes in their queues.']],
  ),
]

/** node_exporter: timex, every 15 minutes. */
const clock: readonly Metric[] = rows(
  'kernel_clock',
  [],
  [
    ['node_timex_sync_status', '1 while something keeps the kernel’s clock right.'],
    ['node_timex_status', 'Status bits of the kernel’s clock.'],
    ['node_timex_offset_seconds', 'Offset the kernel is working off.', 'seconds'],
    ['node_timex_frequency_adjustment_ratio', 'How the kernel corrects the clock’s pace.', 'ratio'],
    ['node_timex_maxerror_seconds', 'The most the clock may be off.', 'seconds'],
    ['node_timex_estimated_error_seconds', 'What the clock is off, as estimated.', 'seconds'],
    ['node_timex_loop_time_constant', 'Time constant of the control loop.'],
    ['node_timex_tick_seconds', 'Length of a clock tick.', 'seconds'],
    ['node_timex_tai_offset_seconds', 'International atomic time minus UTC.', 'seconds'],
    ['node_timex_pps_frequency_hertz', 'Frequency of the pulse per second.', 'hertz'],
    ['node_timex_pps_jitter_seconds', 'Jitter of the pulse per second.', 'seconds'],
    ['node_timex_pps_shift_seconds', 'Length of the pulse’s calibration interval.', 'seconds'],
    ['node_timex_pps_stability_hertz', 'Stability of the pulse per second.', 'hertz'],
    ['node_timex_pps_jitter_total', 'Times the pulse’s jitter was over its limit.'],
    ['node_timex_pps_calibration_total', 'Calibration intervals of the pulse.'],
    ['node_timex_pps_error_total', 'Calibration errors of the pulse.'],
    ['node_timex_pps_stability_exceeded_total', 'Times the pulse’s stability was over its limit.'],
  ],
)

/** Figures of the machine's parts, and of its clock. */
export const hardwareMetrics: readonly Metric[] = [...storage, ...sensors, ...board, ...clock]
