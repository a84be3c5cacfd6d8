#!/usr/bin/env bash
# Proves the unit under a real systemd: boots one as process 1 of a Debian tree of its own (own processes, mounts, cgroups; no
# network), installs the package, starts the service, and says how it fares. Then asks for a check once for each setting that
# could hide something, and prints how its sections differ from those of the service as shipped.
#
#   packaging/prove-unit.sh [--rootfs FOLDER] [--deb FILE] [--out FOLDER]
#
# Needs root, debootstrap and a cgroup2 mount. The tree is kept for the next run; all else ends with the script.
set -euo pipefail
cd "$(dirname "$0")/.."

rootfs=/tmp/callward-prove/systemd deb='' out=''
while [ $# -gt 0 ]; do
  case "$1" in
  --rootfs) rootfs=$2; shift 2 ;;
  --deb) deb=$2; shift 2 ;;
  --out) out=$2; shift 2 ;;
  *) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "$0" >&2; exit 2 ;;
  esac
done
[ "$(id -u)" = 0 ] || { echo 'It needs root: namespaces and mounts.' >&2; exit 2; }
work=$(mktemp -d)
out=${out:-$work/out}
mkdir -p "$out"
cgroup=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
[ -n "$cgroup" ] || { echo 'There is no cgroup2 mount.' >&2; exit 2; }
own_cgroup=$cgroup/callward-proof-$$
finish() {
  rmdir "$own_cgroup"/*/* "$own_cgroup"/* "$own_cgroup" 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT

if [ ! -e "$rootfs/lib/systemd/systemd" ]; then
  mirror=$(grep -hoE '(https?|file):[^ ]*debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -1 || true)
  mkdir -p "$rootfs"
  debootstrap --variant=minbase --include=systemd,acl bookworm "$rootfs" $mirror >"$work/log" 2>&1 || { tail -5 "$work/log" >&2; exit 1; }
fi
if [ -z "$deb" ]; then
  node=$(readlink -f "$(command -v node)")
  license=$(dirname "$node")/../LICENSE
  [ -e "$license" ] || license=/usr/share/doc/nodejs/LICENSE
  node packaging/build-deb.mjs --out "$work" --node "$node" --node-license "$license" >/dev/null
  deb=$(echo "$work"/callward-collector_*.deb)
fi
install -m 0644 "$deb" "$rootfs/root/callward-collector.deb"

cat >"$rootfs/etc/systemd/system/callward-proof.target" <<'UNIT'
[Unit]
Requires=callward-proof.service
AllowIsolate=yes
UNIT
cat >"$rootfs/etc/systemd/system/callward-proof.service" <<'UNIT'
[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
ExecStart=/bin/bash /root/callward-proof.sh
StandardOutput=truncate:/root/callward-proof.log
StandardError=inherit
TimeoutStartSec=240
UNIT
cat >"$rootfs/root/callward-proof.sh" <<'PROOF'
out=/root/callward-proof
rm -rf $out; mkdir -p $out
finish() { systemctl exit --force --force 2>/dev/null || kill -KILL -1; }
trap finish EXIT
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
dpkg -P callward-collector >/dev/null 2>&1
dpkg -i /root/callward-collector.deb || exit 1
unit=/usr/lib/systemd/system/callward-collector.service
sleep 3
systemctl --no-pager --full status callward-collector.service
pid=$(systemctl show -P MainPID callward-collector.service)
echo "Its process: $(tr '\0' ' ' </proc/$pid/cmdline)"
grep -E '^(Uid|Groups|Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp|Threads|VmRSS)' /proc/$pid/status
# NAME SETTING...: a check by the service as shipped, with these settings over it.
check() {
  local name=$1; shift
  local file=/run/systemd/system/callward-check.service
  sed -e '/^ExecStart=/s|$| --check --json|' -e 's/^Type=.*/Type=oneshot/' -e '/^Restart/d' "$unit" >$file
  sed -i '/^\[Install\]/,$d' $file
  printf '[Service]\nSuccessExitStatus=1\nStandardOutput=append:%s/%s.json\nStandardError=append:%s/%s.err\n' $out "$name" $out "$name" >>$file
  # /home is a file system of 7 MiB here; a setting must not put another in its place.
  echo 'ExecStartPre=-/bin/sh -c "stat -f -c %%b*%%S /home >&2"' >>$file
  printf '%s\n' "$@" >>$file
  systemctl daemon-reload
  systemctl start callward-check.service || echo "start of $name failed: $(systemctl show -P Result callward-check.service)"
}
check shipped
check bare ProtectSystem=no ProtectHome=no PrivateTmp=no PrivateDevices=no PrivateUsers=no ProtectKernelTunables=no \
  ProtectKernelModules=no ProtectKernelLogs=no ProtectControlGroups=no ProtectClock=no ProtectHostname=no RestrictNamespaces=no \
  RestrictAddressFamilies= SystemCallFilter= NoNewPrivileges=no LockPersonality=no
check ProtectHome=yes ProtectHome=yes
check ProtectProc=invisible ProtectProc=invisible
check ProcSubset=pid ProcSubset=pid
check PrivateNetwork=yes PrivateNetwork=yes
check MemoryDenyWriteExecute=yes MemoryDenyWriteExecute=yes
check PrivateUsers=no PrivateUsers=no
check PrivateDevices=no PrivateDevices=no
check ProtectClock=yes ProtectClock=yes
check no-AF_NETLINK 'RestrictAddressFamilies=' 'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6'
rm -f /run/systemd/system/callward-check.service
systemctl reset-failed
# The reader of disks within its own unit; a tree without disks is enough to see that it may start and write.
printf '#!/bin/sh\necho {}\n' >/usr/sbin/smartctl && chmod 0755 /usr/sbin/smartctl
systemctl enable --quiet --now callward-smart.timer && systemctl is-active callward-smart.timer
systemctl start callward-smart.service
echo "The reader of disks: $(systemctl show -P Result callward-smart.service), $(stat -c '%U:%G %a' /run/callward/smart) /run/callward/smart"
rm /usr/sbin/smartctl
dpkg -P callward-collector
systemctl daemon-reload
systemctl list-units --all --no-legend 'callward-collector*' 'callward-smart*' | grep . && echo 'A unit is left after the purge.'
grep -l callward-collector /proc/[0-9]*/cmdline 2>/dev/null && echo 'A process is left after the purge.'
for path in /var/lib/callward /etc/callward /run/callward; do [ ! -e $path ] || echo "$path is left after the purge."; done
PROOF

mkdir "$own_cgroup"
# In its own cgroup first, so that the namespace begins there.
timeout --kill-after=5 300 bash -c '
  echo $$ >"$2/cgroup.procs"
  exec unshare --mount --pid --fork --uts --ipc --net --cgroup --kill-child=KILL bash -c "
    set -e
    hostname pbx-proof
    mount --bind \"$1\" \"$1\"
    mount -t proc proc \"$1/proc\"
    mount -t sysfs -o ro sysfs \"$1/sys\"
    mount -t cgroup2 cgroup2 \"$1/sys/fs/cgroup\"
    mount -t tmpfs -o mode=0755 tmpfs \"$1/run\"
    mount -t tmpfs -o mode=0755 tmpfs \"$1/dev\"
    mount -t tmpfs -o size=7M tmpfs \"$1/home\"
    mkdir -p \"$1/dev/pts\" \"$1/dev/shm\"
    mount -t devpts -o newinstance,ptmxmode=0666 devpts \"$1/dev/pts\"
    mount -t tmpfs tmpfs \"$1/dev/shm\"
    ln -s pts/ptmx \"$1/dev/ptmx\"
    for name in null zero full random urandom tty; do touch \"$1/dev/\$name\"; mount --bind /dev/\$name \"$1/dev/\$name\"; done
    cd \"$1\"
    # Not chroot: the namespaces of services want a root of their own.
    pivot_root . .
    umount -l .
    cd /
    mount --make-rshared /
    exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --unit=callward-proof.target --log-target=console
  "' prove "$rootfs" "$own_cgroup" >"$out/systemd.log" 2>&1 </dev/null || true

if [ ! -s "$rootfs/root/callward-proof.log" ]; then
  echo 'systemd did not come up:' >&2
  tail -20 "$out/systemd.log" >&2
  exit 1
fi
cat "$rootfs/root/callward-proof.log"
cp "$rootfs"/root/callward-proof/* "$out"/
echo
node -e '
  const { readFileSync, readdirSync } = require("fs")
  const [out] = process.argv.slice(1)
  const read = (name) => {
    try { return JSON.parse(readFileSync(`${out}/${name}.json`, "utf8")) } catch { return undefined }
  }
  const bare = read("bare")
  const key = (one) => `${one.state}${one.figures === undefined ? "" : ` ${one.figures} figures`}`
  for (const name of readdirSync(out).filter((file) => file.endsWith(".json")).map((file) => file.slice(0, -5))) {
    const check = read(name)
    if (check === undefined) {
      console.log(`${name}: no answer: ${readFileSync(`${out}/${name}.err`, "utf8").trim().split("\n").slice(-3).join(" | ").slice(0, 300)}`)
      continue
    }
    console.log(`${name}: ${check.verdict} /home: ${readFileSync(`${out}/${name}.err`, "utf8").split("\n", 1)[0]}`)
    for (const one of check.sections) {
      const before = bare?.sections.find((other) => other.name === one.name)
      if (before !== undefined && key(before) !== key(one)) console.log(`  ${one.name}: ${key(before)} -> ${key(one)} ${one.detail}`)
    }
  }' "$out"
