import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readSource } from '../../collector/source.ts'
import { smartSource } from '../../collector/sources/smart.ts'
import { packageRoot } from '../../server/assets.ts'
import { folderOf } from '../helpers/folder.ts'

const script = join(packageRoot, 'packaging/callward-smart')

/** Answers like smartctl 7: JSON and a status that tells about the disk; one disk hangs. */
const fakeSmartctl = `#!/bin/sh
[ "$1 $2" = '--json --all' ] || exit 1
case $3 in
  /dev/sda) passed=true status=64 ;;
  /dev/nvme0n1) passed=false status=8 ;;
  /dev/sdc) sleep 30 ;;
  *) exit 1 ;;
esac
printf '{"smartctl":{"exit_status":%s},"smart_status":{"passed":%s}}' "$status" "$passed"
exit "$status"
`

t.test('callward-smart: one whole file a disk, hung disks named, no other’s folder', async (t) => {
  const folder = folderOf(t, {
    bin: { smartctl: fakeSmartctl },
    sys: {
      block: { sda: {}, sdb: { removable: '1\n' }, sdc: {}, nvme0n1: {}, nvme0c0n1: {}, vda: {} },
    },
    elsewhere: {},
  })
  const place = (name: string) => join(folder, name)
  chmodSync(place('bin/smartctl'), 0o755)
  const run = (
    spool: string,
    path = `${place('bin')}:${process.env['PATH']}`,
    sys = place('sys'),
  ) =>
    spawnSync(script, [spool], {
      encoding: 'utf8',
      env: { PATH: path, CALLWARD_SYS: sys, CALLWARD_SECONDS: '1' },
    })
  const spool = place('spool')
  const first = run(spool)
  t.equal(first.status, 1, 'a disk did not answer')
  t.match(first.stderr, /no answer from \/dev\/sdc within 1 s/)
  t.same(
    readdirSync(spool).sort(),
    ['nvme0n1.json', 'sda.json', 'sdc.json'],
    'nothing half written is left',
  )
  for (const name of readdirSync(spool))
    t.equal(statSync(join(spool, name)).mode & 0o777, 0o644, name)
  t.equal(statSync(spool).mode & 0o777, 0o755)

  const roots = { proc: '/proc', sys: '/sys', rootfs: '/', smart: spool }
  const seen = await readSource(smartSource(roots), Date.now(), 1000)
  t.match(seen, { state: 'error', detail: /^sdc: no answer from \/dev\/sdc within 1 s/ })
  const passed = seen.metrics.filter((one) => one.name === 'callward_disk_health_passed')
  t.same(
    passed.map((one) => [one.labels['device'], one.value]),
    [
      ['nvme0n1', 0],
      ['sda', 1],
    ],
  )

  t.equal(run('spool').status, 2, 'a relative folder')
  symlinkSync(place('elsewhere'), place('link'))
  const link = run(place('link'))
  t.match([link.status, link.stderr], [1, /nothing was written/])
  t.same(readdirSync(place('elsewhere')), [])
  const tools = spawnSync('sh', ['-c', 'command -v smartctl nvme'], {
    env: { PATH: '/nonexistent' },
  })
  t.not(tools.status, 0)
  mkdirSync(place('empty'))
  for (const tool of ['mkdir', 'chmod', 'cat', 'mktemp', 'mv', 'timeout', 'rm', 'sh'])
    symlinkSync(
      spawnSync('sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' }).stdout.trim(),
      join(place('empty'), tool),
    )
  t.match(run(spool, place('empty')), { status: 1, stderr: /apt install smartmontools/ })
})

t.test('the real smartctl: a disk that cannot be opened is an error, in its words', async (t) => {
  if (spawnSync('smartctl', ['--version']).error !== undefined) {
    if (process.env['CALLWARD_REQUIRE_PEERS'] === '1') t.fail('smartctl is not installed')
    else t.pass('', { skip: 'smartctl is not installed' })
    return
  }
  const folder = folderOf(t, { sys: { block: { sdzz: {} } } })
  const spool = join(folder, 'spool')
  const env = { PATH: process.env['PATH'] ?? '', CALLWARD_SYS: join(folder, 'sys') }
  t.equal(spawnSync(script, [spool], { env }).status, 0, 'the disk’s trouble is not the script’s')
  const told = JSON.parse(readFileSync(join(spool, 'sdzz.json'), 'utf8')) as { smartctl: object }
  t.match(told.smartctl, { version: [Number], exit_status: Number })
  const roots = { proc: '/proc', sys: '/sys', rootfs: '/', smart: spool }
  const seen = await readSource(smartSource(roots), Date.now(), 1000)
  t.match(seen, { state: 'error', detail: /^sdzz: .*\/dev\/sdzz/, metrics: [] })
})
