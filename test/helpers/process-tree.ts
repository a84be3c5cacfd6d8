import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** What a made-up process shows; times in hundredths of a second. */
export interface MadeProcess {
  readonly name: string
  readonly start?: number
  readonly state?: string
  readonly cpu?: number
  readonly childrenCpu?: number
  readonly threads?: number
  readonly pages?: number
  readonly commandLine?: string
}

/** A tree like /proc, /sys and / of a host with systemd, in a test's folder (man 5 proc, kernel's cgroup-v2.rst). */
export class ProcessTree {
  readonly roots: { readonly proc: string; readonly sys: string; readonly rootfs: string }

  constructor(folder: string) {
    this.roots = {
      proc: join(folder, 'proc'),
      sys: join(folder, 'sys'),
      rootfs: join(folder, 'root'),
    }
    for (const path of Object.values(this.roots)) mkdirSync(path, { recursive: true })
    writeFileSync(join(this.roots.proc, 'stat'), 'cpu  1 2 3 4\nbtime 1767600000\n')
    this.run(1, { name: 'systemd', start: 1 })
  }

  run(pid: number, one: MadeProcess): void {
    const { name, start = 1000, state = 'S', cpu = 0, childrenCpu = 0 } = one
    const folder = join(this.roots.proc, String(pid))
    mkdirSync(folder, { recursive: true })
    const stat = [
      ...[pid, `(${name})`, state, 1, pid, pid, 0, -1, 4194560, 10, 0, 0, 0],
      ...[cpu, 0, childrenCpu, 0, 20, 0, one.threads ?? 1, 0, start, 1_000_000, one.pages ?? 100],
      ...[18446744073709551615n, 0, 0, 0],
    ]
    writeFileSync(join(folder, 'stat'), `${stat.join(' ')}\n`)
    writeFileSync(join(folder, 'cmdline'), (one.commandLine ?? name).replaceAll(' ', '\0'))
  }

  end(pid: number): void {
    rmSync(join(this.roots.proc, String(pid)), { recursive: true })
  }

  write(root: 'proc' | 'sys' | 'rootfs', path: string, text: string): void {
    const file = join(this.roots[root], path)
    mkdirSync(join(file, '..'), { recursive: true })
    writeFileSync(file, text)
  }

  /** The folder of a unit below `system.slice` with these processes. */
  unit(path: string, pids: readonly number[], hierarchy = 'fs/cgroup'): void {
    const text = pids.map((pid) => `${pid}\n`).join('')
    this.write('sys', `${hierarchy}/system.slice/${path}/cgroup.procs`, text)
  }

  /** systemd is process 1 of this host: the sign of man 3 sd_booted. */
  bootSystemd(): void {
    mkdirSync(join(this.roots.rootfs, 'run/systemd/system'), { recursive: true })
  }

  /** A packaged unit that is enabled at boot; `text` is its file. */
  enable(unit: string, text = '[Service]\nType=notify\n'): void {
    this.write('rootfs', `lib/systemd/system/${unit}`, text)
    const folder = join(this.roots.rootfs, 'etc/systemd/system/multi-user.target.wants')
    mkdirSync(folder, { recursive: true })
    symlinkSync(`/lib/systemd/system/${unit}`, join(folder, unit))
  }
}
