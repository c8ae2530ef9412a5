#!/usr/bin/env bash
# Tries clients built with Qt: those that read fortunes as Qt's examples do, and the
# chat of the Qt tutorial. Installs Qt if it is missing.
set -eu
cd "$(dirname "$0")/.."
if ! pkg-config --exists Qt6Network Qt6Widgets 2>/dev/null || ! command -v g++ >/dev/null; then
  install='apt-get install --no-install-recommends -y g++ pkg-config qt6-base-dev'
  if [ "$(id -u)" != 0 ]; then
    echo "The tests need Qt, which is not installed; run as root: $install" >&2
    exit 1
  fi
  echo "installing Qt"
  export DEBIAN_FRONTEND=noninteractive
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  { $install || { apt-get update && $install; }; } >"$log" 2>&1 || {
    tail -n 20 "$log" >&2
    echo "Installing failed; try by hand: $install" >&2
    exit 1
  }
fi
go vet -tags qt ./cmd/chatd
go test -race -count=1 -tags qt -run '^TestQt' -v ./cmd/chatd
