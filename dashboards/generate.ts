import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { boards } from './boards.ts'
import { contactPointFile, grafanaRulesFile } from './grafana-alerts.ts'
import { influxBoards } from './influxdb/boards.ts'
import { stableJson } from './layer/json.ts'
import { metricsPage } from './metrics-page.ts'
import {
  datasourceFile,
  influxDatasourceFile,
  influxProviderFile,
  providerFile,
  victoriaDatasourceFile,
} from './provisioning.ts'
import { defaultHubUrl } from './shared.ts'

/** Files by path, and their whole text. */
export type Files = ReadonlyMap<string, string>

/** Texts of the rule files, by name. This file runs as dist/dashboards/generate.js, two folders below the project. */
function ruleFiles(): readonly string[] {
  const folder = fileURLToPath(new URL('../../alerts/rules/', import.meta.url))
  const names = readdirSync(folder).filter((name) => /^[a-z]+\.yaml$/.test(name))
  return names.sort().map((name) => readFileSync(join(folder, name), 'utf8'))
}

/**
 * What Grafana's provisioning folder gets: paths below that folder. What stands below `influxdb`, `victoriametrics`
 * and `alerting-in-grafana` is for those who want it, and is copied by itself.
 */
export function provisioningFiles(hubUrl: string): Files {
  return new Map([
    ['alerting-in-grafana/alerting/callward-rules.yaml', grafanaRulesFile(ruleFiles(), hubUrl)],
    ['alerting-in-grafana/alerting/callward-contact-point.yaml', contactPointFile],
    ['victoriametrics/datasources/callward-victoriametrics.yaml', victoriaDatasourceFile],
    ['influxdb/datasources/callward-influxdb.yaml', influxDatasourceFile],
    ['influxdb/dashboards/callward-influxdb.yaml', influxProviderFile],
    ...influxBoards(hubUrl).map(
      ({ fileName, model }) =>
        [`influxdb/dashboards/callward-influxdb/${fileName}`, stableJson(model)] as const,
    ),
    ['datasources/callward.yaml', datasourceFile],
    ['dashboards/callward.yaml', providerFile],
    ...boards(hubUrl).map(
      ({ fileName, model }) => [`dashboards/callward/${fileName}`, stableJson(model)] as const,
    ),
  ])
}

/** Everything in the project that is written from the boards and the catalogue: paths below the project. */
export function projectFiles(): Files {
  const provisioning = [...provisioningFiles(defaultHubUrl)]
  return new Map([
    ...boards(defaultHubUrl).map(
      ({ fileName, model }) => [`dashboards/generated/${fileName}`, stableJson(model)] as const,
    ),
    ...provisioning.map(([path, text]) => [`dashboards/provisioning/${path}`, text] as const),
    ['docs/metrics.md', metricsPage()],
  ])
}

/** Folders that hold boards and nothing else. */
const boardFolders = [
  'dashboards/generated',
  'dashboards/provisioning/dashboards/callward',
  'dashboards/provisioning/influxdb/dashboards/callward-influxdb',
]

/** Each way in which the files below `root` differ from `files`, one line each; empty when they agree. */
export function differences(root: string, files: Files): string[] {
  const faults = [...files].flatMap(([path, text]) => {
    const present = read(join(root, path))
    return present === undefined
      ? [`${path} is missing`]
      : present === text
        ? []
        : [`${path} differs`]
  })
  const strays = boardFolders.flatMap((folder) =>
    list(join(root, folder))
      .map((name) => `${folder}/${name}`)
      .filter((path) => !files.has(path)),
  )
  return [...faults, ...strays.map((path) => `${path} belongs to no board`)]
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

function write(root: string, files: Files): void {
  for (const [path, text] of files) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
}

const usage = `Usage: node dist/dashboards/generate.js [--check | --hub URL --out FOLDER]
  (nothing)     writes the boards, their provisioning and docs/metrics.md into the project
  --check       writes nothing; exit code 1 when a file differs from what would be written
  --hub URL     where people reach the hub, for the links to its console; needs --out
  --out FOLDER  writes Grafana's provisioning folder there instead`

/** Exit code of the command line: 0 done, 1 files differ, 2 wrong use. `root` is the project's folder. */
export function run(root: string, args: readonly string[], say: (line: string) => void): 0 | 1 | 2 {
  const options = readOptions(args)
  if (typeof options === 'string') {
    say(`${options}\n${usage}`)
    return 2
  }
  if (options.check) {
    const faults = differences(root, projectFiles())
    for (const fault of faults) say(fault)
    say(
      faults.length === 0
        ? 'The boards are up to date.'
        : 'Run `npm run boards` and commit what it wrote.',
    )
    return faults.length === 0 ? 0 : 1
  }
  const files = options.out === undefined ? projectFiles() : provisioningFiles(options.hub)
  const folder = options.out ?? root
  write(folder, files)
  say(`${files.size} files written below ${folder}.`)
  return 0
}

interface Options {
  readonly check: boolean
  readonly hub: string
  readonly out?: string
}

function readOptions(args: readonly string[]): Options | string {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        check: { type: 'boolean', default: false },
        hub: { type: 'string' },
        out: { type: 'string' },
      },
    })
    if (values.hub !== undefined && values.out === undefined) return '--hub needs --out FOLDER.'
    if (values.check && values.out !== undefined)
      return '--check looks at the project; leave out --out.'
    const hub = values.hub ?? defaultHubUrl
    if (!/^https?:\/\/[^/\s]+(\/[^\s]*)?$/.test(hub))
      return `--hub ${hub} is not a URL such as https://callward.bank.example.`
    return {
      check: values.check,
      hub: hub.replace(/\/+$/, ''),
      ...(values.out === undefined ? {} : { out: values.out }),
    }
  } catch (error) {
    return (error as Error).message
  }
}

// Always run compiled: this file is dist/dashboards/generate.js, two folders below the project.
if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const root = fileURLToPath(new URL('../../', import.meta.url))
  process.exitCode = run(root, process.argv.slice(2), console.log)
}
