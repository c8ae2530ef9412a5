#!/usr/bin/env bash
# Sees to the programs that the tests talk to: installs what is missing if it can,
# and says what to install if it cannot. Arguments are more of them, PROGRAM:PACKAGE.
set -eu
need=(
  cc:gcc cc:libc6-dev
  nc.openbsd:netcat-openbsd nc.traditional:netcat-traditional ncat:ncat busybox:busybox socat:socat openssl:openssl
  inetutils-telnet:inetutils-telnet telnet-ssl:telnet-ssl
  ip:iproute2 taskset:util-linux sqlite3:sqlite3 strace:strace hostname:hostname tmux:tmux jq:jq
  systemd-analyze:systemd systemd-socket-activate:systemd
  chromium:chromium mandoc:mandoc
  "$@"
)
missing=()
for pair in "${need[@]}"; do
  program=${pair%%:*} package=${pair#*:}
  PATH="$PATH:/usr/sbin:/sbin" command -v "$program" >/dev/null || missing+=("$package")
done
[ -e /usr/include/stdio.h ] || missing+=(libc6-dev)
[ -e /usr/lib/python3/dist-packages/websockets ] || missing+=(python3-websockets)
"$(dirname "$0")/promtool.sh" >/dev/null
[ ${#missing[@]} -gt 0 ] || exit 0
install="apt-get install --no-install-recommends -y ${missing[*]}"
if [ "$(id -u)" != 0 ]; then
  echo "The tests need programs that are not installed; run as root: $install" >&2
  exit 1
fi
echo "installing what the tests need: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
{ $install || { apt-get update && $install; }; } >"$log" 2>&1 || {
  tail -n 20 "$log" >&2
  echo "Installing failed; try by hand: $install" >&2
  exit 1
}
