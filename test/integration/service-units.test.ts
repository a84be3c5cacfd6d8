import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readSource } from '../../collector/source.ts'
import { hostSources } from '../../collector/sources/all.ts'

/** Where this kernel keeps control groups v2, alone or beside v1. */
const hierarchy = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'].find((path) =>
  existsSync(join(path, 'cgroup.controllers')),
)
const unit = `callward-test-${process.pid}.service`

/** A group as systemd would make it for the unit; undefined where this may not be done here. */
function makeUnit(): string | undefined {
  if (hierarchy === undefined) return undefined
  try {
    const folder = join(hierarchy, 'system.slice', unit)
    mkdirSync(folder, { recursive: true })
    return folder
  } catch {
    return undefined
  }
}

t.test(
  'a control group of the real kernel: who is in it belongs to the service, whatever its name',
  async (t) => {
    const made = hierarchy !== undefined && existsSync(join(hierarchy, 'system.slice'))
    const folder = makeUnit()
    if (folder === undefined) {
      t.pass('not run', { skip: 'control groups v2 cannot be made here' })
      return
    }
    const child = spawn('sh', [
      '-c',
      'read go; i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; read end',
    ])
    await once(child, 'spawn')
    const ended = once(child, 'exit')
    t.teardown(async () => {
      child.kill('SIGKILL')
      await ended
      rmdirSync(folder)
      if (!made) rmdirSync(join(folder, '..'))
    })
    writeFileSync(join(folder, 'cgroup.procs'), String(child.pid))
    const services = [
      { name: 'unit-test', unit },
      { name: 'other', unit: 'no-such.service', match: 'no-such' },
    ]
    const source = hostSources({ proc: '/proc', sys: '/sys', rootfs: '/' }, {}, { services }).find(
      ({ name }) => name === 'services',
    )!
    const read = async (now: number) => {
      const { state, metrics } = await readSource(source, now, 10_000)
      const of = (name: string, service: string) =>
        metrics.find(
          (one) => one.name === `callward_service_${name}` && one.labels['service'] === service,
        )?.value
      return { state, of }
    }
    const first = await read(1)
    t.equal(first.state, 'ok')
    t.strictSame(
      [first.of('up', 'unit-test'), first.of('processes', 'unit-test'), first.of('up', 'other')],
      [1, 1, 0],
    )
    const idle = first.of('cpu_seconds_total', 'unit-test')!
    child.stdin.write('go\n')
    let now = 2
    let busy = idle
    while (busy <= idle && now < 2000)
      busy = (await read(now++)).of('cpu_seconds_total', 'unit-test')!
    t.ok(busy > idle, `${busy} s of CPU after ${idle} s, by the group's own figure`)
    child.stdin.end('end\n')
    await ended
    t.equal((await read(now)).of('up', 'unit-test'), 0, 'an empty group is a service that is down')
  },
)
