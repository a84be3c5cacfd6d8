import { join } from 'node:path'
import { type Metric, metric, type Roots, type Source, seen, unseen } from '../source.ts'
import { atMostEvery, listFolder, minute, readAttribute, readNumber } from './sysfs.ts'

/**
 * Memory errors that ECC corrected or could not (kernel's admin-guide/RAS, EDAC). Names: node_exporter `edac`, and the
 * modules by the label on the board, so that the right one is changed. Controllers in every tick, rows and modules once a minute.
 */
export function edacSource(roots: Roots): Source {
  const folder = join(roots.sys, 'devices/system/edac/mc')
  const controllers = atMostEvery(minute, () => listFolder(folder, /^mc\d+$/))
  const parts = atMostEvery(minute, (now) =>
    controllers(now).flatMap((name) => partMetrics(join(folder, name), name.slice(2))),
  )
  return {
    name: 'edac',
    async read(now) {
      const found = controllers(now)
      if (found.length === 0)
        return unseen(
          'absent',
          'no memory controller reports errors: no ECC memory, or its EDAC driver is not loaded',
        )
      const metrics: Metric[] = []
      for (const name of found) {
        const labels = { controller: name.slice(2) }
        add(metrics, 'node_edac_correctable_errors_total', join(folder, name, 'ce_count'), labels)
        add(metrics, 'node_edac_uncorrectable_errors_total', join(folder, name, 'ue_count'), labels)
      }
      if (metrics.length === 0) throw new Error(`${folder}: no controller has counts`)
      return seen([...metrics, ...parts(now)])
    },
  }
}

function add(metrics: Metric[], name: string, path: string, labels: Metric['labels']): void {
  const count = readNumber(path)
  if (count !== undefined) metrics.push(metric(name, count, labels))
}

function partMetrics(folder: string, controller: string): Metric[] {
  const metrics: Metric[] = []
  const row = (csrow: string, corrected: string, uncorrected: string) => {
    const labels = { controller, csrow }
    const name = (kind: string) => `node_edac_csrow_${kind}_errors_total`
    add(metrics, name('correctable'), join(folder, corrected), labels)
    add(metrics, name('uncorrectable'), join(folder, uncorrected), labels)
  }
  row('unknown', 'ce_noinfo_count', 'ue_noinfo_count')
  for (const name of listFolder(folder, /^csrow\d+$/))
    row(name.slice('csrow'.length), `${name}/ce_count`, `${name}/ue_count`)
  for (const name of listFolder(folder, /^(dimm|rank)\d+$/)) {
    const label = readAttribute(join(folder, name, 'dimm_label')) ?? ''
    const labels = { controller, dimm: name, label: label.slice(0, 64) }
    const of = (kind: string) => `callward_edac_module_${kind}_errors_total`
    add(metrics, of('correctable'), join(folder, name, 'dimm_ce_count'), labels)
    add(metrics, of('uncorrectable'), join(folder, name, 'dimm_ue_count'), labels)
  }
  return metrics
}
