#!/usr/bin/env bash
# Tries chatd under a real systemd, in containers with a minimal Debian that is made
# once and kept in .cache/. Arguments go to go test. CHATD_TEST_SYSTEMD=off switches
# all of this off.
set -eu
cd "$(dirname "$0")/.."

# What the machines have besides a minimal Debian.
packages=systemd,systemd-sysv,dbus,sqlite3,netcat-openbsd,socat

fail() {
  echo "The tests with systemd cannot run: $*; CHATD_TEST_SYSTEMD=off switches them off." >&2
  exit 1
}

# quietly COMMAND… shows what a command prints only if it fails.
quietly() {
  local log
  log=$(mktemp)
  "$@" >"$log" 2>&1 || { tail -n 20 "$log" >&2 && rm -f "$log" && return 1; }
  rm -f "$log"
}

install() {
  local missing=() pair
  for pair in systemd-nspawn:systemd-container mmdebstrap:mmdebstrap unshare:util-linux; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  echo "installing what the tests with systemd need: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  local install="apt-get install --no-install-recommends -y ${missing[*]}"
  quietly $install || { quietly apt-get update && quietly $install; } || fail "this failed: $install"
}

# sources prints the files that say where this machine gets its packages from.
sources() {
  find /etc/apt/sources.list /etc/apt/sources.list.d -maxdepth 1 -type f -size +0 \
    \( -name '*.list' -o -name '*.sources' \) 2>/dev/null | sort
}

# debian makes the tree that machines are made from, unless it is there, and sets
# tree to it. It is made anew when anything changes that it is made from.
debian() {
  local release key options made lists
  release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  mapfile -t lists < <(sources)
  [ -n "$release" ] && [ ${#lists[@]} -gt 0 ] || fail "they make a Debian from the sources of packages of this machine, which has none"
  key=$({ uname -m && echo "$release $packages" && cat "${lists[@]}" && declare -f debian; } | sha256sum | cut -c 1-16)
  tree=$PWD/.cache/systemd/$key
  [ ! -d "$tree" ] || return 0
  echo "making a minimal Debian in .cache/systemd, which takes a minute"
  mkdir -p .cache/systemd
  rm -rf .cache/systemd/*
  made=$tree.$$
  options=$(mktemp)
  # A proxy and the like are needed to make it, and not to be found in it.
  apt-config dump --format '%f "%v";%n' Acquire::http Acquire::https Acquire::ftp Acquire::Retries >"$options"
  quietly mmdebstrap --variant=minbase --include="$packages" --aptopt="$options" \
    --customize-hook='rm -f "$1/etc/apt/apt.conf.d/99mmdebstrap"; echo relay >"$1/etc/hostname"' \
    "$release" "$made" "${lists[@]}" || { rm -rf "$made" "$options" && fail "mmdebstrap failed"; }
  rm -f "$options"
  mv "$made" "$tree"
}

# inside runs the tests where mounts and processes end with this one, whatever ends
# it, so nothing of a machine is left. Control groups are, empty; they are removed
# here.
inside() {
  mount -t cgroup2 cgroup2 /sys/fs/cgroup || fail "control groups cannot be mounted here"
  mkdir -p /run/systemd/nspawn
  mount -t tmpfs -o mode=0755 tmpfs /run/systemd/nspawn
  mkdir /run/systemd/nspawn/tmp
  local group
  for group in /sys/fs/cgroup/chatd-test-*/; do
    ! grep -qs '^populated 0' "$group/cgroup.events" || find "$group" -depth -type d -exec rmdir {} +
  done
  go vet -tags systemd ./test/systemd
  TMPDIR=/run/systemd/nspawn/tmp go test -tags systemd -count=1 -timeout 10m "$@" ./test/systemd
}

if [ "${CHATD_TEST_SYSTEMD:-}" = off ]; then
  echo "the tests with systemd were switched off (CHATD_TEST_SYSTEMD=off)"
  exit 0
fi
[ "$(id -u)" = 0 ] || fail "they need root"
for kind in cgroup2 overlay; do
  grep -qw "$kind" /proc/filesystems || modprobe "$kind" 2>/dev/null || fail "the kernel has no $kind"
done
command -v apt-get >/dev/null || fail "they are made for Debian, and apt-get is missing"
install
debian
unshare --mount --pid --fork true 2>/dev/null || fail "namespaces cannot be made here"
export CHATD_TEST_TREE=$tree
exec unshare --mount --pid --fork --kill-child --mount-proc bash -euc "$(declare -f fail inside)"'; inside "$@"' "$0" "$@"
