#!/usr/bin/env bash
# Proves the way of a new host, from one pasted line to the console, on a Debian that has never seen Callward: a tree made by
# debootstrap, with its own network, processes, host name and mounts. Measures the time from the paste until the hub's REST
# interface shows the host with hardware, versions and sections; then purges the package and names what it left behind.
#
#   packaging/prove-in-chroot.sh [OPTIONS]
#     --rootfs FOLDER  the Debian tree (default /tmp/callward-prove/rootfs; made when it is not there, kept for the next run)
#     --with deb       the package is installed, then the line of `callward enrol` is pasted (default)
#     --with node|curl the line of `callward enrol --with node` (or curl, which the tree then needs) alone: it fetches the
#                      collector from the hub. As nobody; the tree is lent this machine's Node
#     --deb FILE       the package (default: built now, with this machine's Node in it)
#     --within SECONDS limit from paste to sight (default 60)
#     --no-purge       leave out the purge
#     --pictures FOLDER  a browser watches the console meanwhile, says when the host's page shows all of it, and takes
#                      pictures (needs chromium and the development packages)
#
# Needs root, debootstrap, iproute2, openssl, util-linux and a built project (npm run build). Everything but the tree ends with the
# script: mounts vanish with their namespace, processes with their process namespace.
set -euo pipefail
cd "$(dirname "$0")/.."

rootfs=/tmp/callward-prove/rootfs deb='' with=deb within=60 purge=1 pictures=''
while [ $# -gt 0 ]; do
  case "$1" in
  --rootfs) rootfs=$2; shift 2 ;;
  --deb) deb=$2; shift 2 ;;
  --with) with=$2; shift 2 ;;
  --within) within=$2; shift 2 ;;
  --no-purge) purge=0; shift ;;
  --pictures) pictures=$2; shift 2 ;;
  *) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "$0" >&2; exit 2 ;;
  esac
done
[ "$(id -u)" = 0 ] || { echo 'It needs root: namespaces and mounts.' >&2; exit 2; }
for tool in debootstrap ip unshare chroot openssl; do
  command -v "$tool" >/dev/null || { echo "It needs $tool: apt-get install debootstrap iproute2 util-linux openssl" >&2; exit 2; }
done
case "$with" in deb | node | curl) ;; *) echo '--with is deb, node or curl' >&2; exit 2 ;; esac

node=$(readlink -f "$(command -v node)")
host=pbx-proof
ns=callward-proof-$$
hub_address=10.231.$(($$ % 250)).1
host_address=${hub_address%.1}.2
port=9771
hub_url=https://$hub_address:$port
work=$(mktemp -d)
hub_pid='' host_pid='' browser_pid=''

finish() {
  rm -rf "$rootfs/tmp/callward-proof" "$rootfs/tmp/callward-collector.deb"
  [ "$with" = deb ] || rm -f "$rootfs/usr/local/bin/node"
  [ -z "$browser_pid" ] || kill -TERM "$browser_pid" 2>/dev/null || true
  # What steps down to another user outlives its parent's signal: the first process of the host goes by itself.
  [ -z "$host_pid" ] || pkill -KILL -P "$host_pid" || true
  [ -z "$host_pid" ] || kill -KILL "$host_pid" 2>/dev/null || true
  [ -z "$hub_pid" ] || kill -TERM "$hub_pid" 2>/dev/null || true
  wait 2>/dev/null || true
  ip netns del "$ns" 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT

say() { printf '%s\n' "$*"; }

make_tree() {
  [ -e "$rootfs/etc/debian_version" ] && return
  say "Making a Debian tree in $rootfs …"
  mkdir -p "$rootfs"
  local mirror
  mirror=$(grep -hoE '(https?|file):[^ ]*debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -1 || true)
  debootstrap --variant=minbase bookworm "$rootfs" $mirror >"$work/debootstrap.log" 2>&1 ||
    { tail -5 "$work/debootstrap.log" >&2; exit 1; }
}

build_package() {
  [ "$with" = deb ] && [ -z "$deb" ] || return 0
  local license
  for license in "$(dirname "$node")/../LICENSE" /usr/share/doc/nodejs/LICENSE* /usr/share/doc/nodejs/copyright; do
    [ -e "$license" ] && break
  done
  node packaging/build-deb.mjs --out "$work" --node "$node" --node-license "$license" >/dev/null
  deb=$(echo "$work"/callward-collector_*.deb)
}

make_network() {
  ip netns add "$ns"
  ip link add "cwh$$" type veth peer name "cwc$$" netns "$ns"
  ip addr add "$hub_address/30" dev "cwh$$"
  ip link set "cwh$$" up
  ip -n "$ns" addr add "$host_address/30" dev "cwc$$"
  ip -n "$ns" link set "cwc$$" up
  ip -n "$ns" link set lo up
}

start_hub() {
  admin_token=proof-$(head -c 24 /dev/urandom | base64 | tr -dc 'a-zA-Z0-9')
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj '/CN=callward proof' \
    -addext "subjectAltName=IP:$hub_address" -keyout "$work/hub.key" -out "$work/hub.crt" 2>/dev/null
  export NODE_EXTRA_CA_CERTS=$work/hub.crt
  CALLWARD_LISTEN=$hub_address:$port CALLWARD_DATA=$work/hub CALLWARD_ADMIN_TOKEN=$admin_token \
    CALLWARD_TLS_CERTIFICATE=$work/hub.crt CALLWARD_TLS_KEY=$work/hub.key CALLWARD_PUBLIC_URL=$hub_url \
    node dist/hub/main.js >"$work/hub.log" 2>&1 &
  hub_pid=$!
  for _ in $(seq 200); do
    if ask /readyz >/dev/null 2>&1; then return; fi
    kill -0 "$hub_pid" 2>/dev/null || break
    sleep 0.1
  done
  say 'The hub did not start:' >&2
  tail -5 "$work/hub.log" >&2
  exit 1
}

# PATH: the hub's answer.
ask() {
  node -e '
    const [url, token] = process.argv.slice(1)
    fetch(url, { headers: { authorization: `Bearer ${token}` } }).then(async (answer) => {
      process.stdout.write(await answer.text())
      process.exitCode = answer.ok ? 0 : 1
    }, () => { process.exitCode = 1 })' "$hub_url$1" "$admin_token"
}

# Sets `command` to what runs a line of shell on the host. A simple command, so that its process id is that of unshare,
# with which all of the host ends.
on_host() {
  command=(ip netns exec "$ns" unshare --mount --pid --fork --uts --ipc --kill-child=KILL bash -c '
    set -e
    hostname "$2"
    mount --bind "$1" "$1"
    mount -t proc proc "$1/proc"
    mount -t sysfs -o ro sysfs "$1/sys"
    mount -t tmpfs -o mode=0755 tmpfs "$1/run"
    mount -t tmpfs -o mode=0755 tmpfs "$1/dev"
    for name in null zero random urandom; do touch "$1/dev/$name"; mount --bind "/dev/$name" "$1/dev/$name"; done
    exec chroot "$1" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
      DEBIAN_FRONTEND=noninteractive TERM=dumb /bin/sh -c "$3"' host "$rootfs" "$host" "$1")
}

# Files of the tree, but for what any installation of any package changes.
tree_files() {
  find "$rootfs" -xdev \( -path "$rootfs/proc" -o -path "$rootfs/sys" -o -path "$rootfs/run" -o -path "$rootfs/dev" \
    -o -path "$rootfs/tmp" -o -path "$rootfs/var/lib/dpkg" -o -path "$rootfs/var/log" -o -path "$rootfs/var/cache" \) \
    -prune -o -printf '%P\n' | grep -vE '^etc/(passwd|group|shadow|gshadow|subuid|subgid)-$' | sort
}

watch_in_browser() {
  local link
  mkdir -p "$pictures"
  link=$(CALLWARD_TOKEN=$admin_token node dist/server/cli/main.js sign-in --hub "$hub_url" | grep -oE 'https?://[^ ]+')
  node packaging/watch-in-console.mjs "$hub_url" "$link" "$host" "$pictures" >"$work/browser.log" 2>&1 &
  browser_pid=$!
  until grep -q watching "$work/browser.log"; do
    kill -0 "$browser_pid" 2>/dev/null || { cat "$work/browser.log" >&2; exit 1; }
    sleep 0.2
  done
}

show_browser() {
  if ! wait "$browser_pid"; then
    browser_pid=''
    tail -20 "$work/browser.log" >&2
    exit 1
  fi
  browser_pid=''
  say "Seen in the console after $(node -p "(($(tail -1 "$work/browser.log") - $started) / 1000).toFixed(1)") s; pictures in $pictures."
}

wait_for_host() {
  local limit=$1 left
  while :; do
    if ask "/api/v1/hosts/$host" >"$work/host.json" 2>/dev/null && node -e '
      const { host, facts } = JSON.parse(require("fs").readFileSync(process.argv[1], "utf8"))
      const whole = host.connected && ["hardware", "packages", "software"].every((name) => name in facts) &&
        host.sections.length >= 10 && host.sections.every((one) => one.detail !== "not read yet since the start")
      process.exitCode = whole ? 0 : 1' "$work/host.json"; then return 0; fi
    left=$(node -pe "$started + $limit * 1000 - Date.now() > 0 ? 1 : 0")
    [ "$left" = 1 ] || return 1
    if ! kill -0 "$host_pid" 2>/dev/null; then return 1; fi
    sleep 0.2
  done
}

show_host() {
  node -e '
    const { host, facts } = JSON.parse(require("fs").readFileSync(process.argv[1], "utf8"))
    const of = (state) => host.sections.filter((one) => one.state === state)
    console.log(`Facts: ${Object.keys(facts).join(", ")}. Sections: ${host.sections.length}, seen ${of("ok").length}`)
    for (const state of ["absent", "denied", "error"])
      for (const one of of(state)) console.log(`  ${state.padEnd(6)} ${one.name}: ${one.detail}`)' "$work/host.json"
}

make_tree
build_package
make_network
start_hub
line=$(CALLWARD_TOKEN=$admin_token node dist/server/cli/main.js enrol --hub "$hub_url" --host "$host" --role pbx --with "$with" 2>/dev/null)
tree_files >"$work/before"

if [ "$with" = deb ]; then
  install -m 0644 "$deb" "$rootfs/tmp/callward-collector.deb"
  # The tree has no sudo, and nobody to be but root; the command itself steps down.
  pasted="dpkg -i /tmp/callward-collector.deb && ${line#sudo }"
else
  install -m 0755 "$node" "$rootfs/usr/local/bin/node"
  mkdir -p -m 0777 "$rootfs/tmp/callward-proof"
  printf '%s\n' "$line" >"$rootfs/tmp/callward-proof/line"
  pasted='cd /tmp/callward-proof && exec setpriv --reuid=65534 --regid=65534 --clear-groups sh ./line'
fi
[ -z "$pictures" ] || watch_in_browser
say "Pasting on $host: $(printf %s "$line" | sed -E 's/(--token|Bearer) [^ '"\\'"'"]+/\1 …/g' | cut -c1-300)"
started=$(node -p 'Date.now()')
on_host "$pasted"
"${command[@]}" >"$work/host.log" 2>&1 &
host_pid=$!
if ! wait_for_host "$within"; then
  say "Not seen within $within s. What the host said:" >&2
  tail -20 "$work/host.log" >&2
  exit 1
fi
say "Seen by REST after $(node -p "((Date.now() - $started) / 1000).toFixed(1)") s, with hardware, versions and sections."
show_host
[ -z "$pictures" ] || show_browser

if [ "$with" = deb ]; then
  kill -KILL "$host_pid" 2>/dev/null || true
  wait "$host_pid" 2>/dev/null || true
  host_pid=''
  say 'What the service would say of this host:'
  on_host 'callward-collector --check'
  "${command[@]}" | sed 's/^/  /' || say "  (exit code $?)"
  if [ "$purge" = 1 ]; then
    on_host 'dpkg -i /tmp/callward-collector.deb && dpkg -r callward-collector && dpkg -P callward-collector'
    "${command[@]}" >"$work/purge.log" 2>&1 ||
      { tail -5 "$work/purge.log" >&2; exit 1; }
    tree_files >"$work/after"
    if ! diff "$work/before" "$work/after" >"$work/left"; then
      say 'Left behind by install, reinstall, remove and purge:' >&2
      cat "$work/left" >&2
      exit 1
    fi
    if grep -q callward "$rootfs/etc/passwd" "$rootfs/etc/group"; then
      say 'The user is still there after the purge.' >&2
      exit 1
    fi
    say 'Installed again, removed, purged: nothing is left.'
  fi
fi
