#!/usr/bin/env bash
# Prints the path of promtool, which judges configs/prometheus-alerts.yml. If it is not
# installed it is taken out of Debian's package into .cache/: installing the package
# would start a Prometheus.
set -eu
cd "$(dirname "$0")/.."
if command -v promtool; then exit; fi
kept=$PWD/.cache/promtool/promtool
if [ ! -x "$kept" ]; then
  echo "fetching promtool into .cache/promtool" >&2
  dir=$(mktemp -d)
  trap 'rm -rf "$dir"' EXIT
  (
    cd "$dir"
    apt-get download prometheus || { apt-get update && apt-get download prometheus; }
  ) >"$dir/log" 2>&1 && dpkg -x "$dir"/prometheus_*.deb "$dir/tree" || {
    tail -n 20 "$dir/log" >&2
    echo "promtool is missing and cannot be fetched; Debian has it in the package prometheus" >&2
    exit 1
  }
  mkdir -p "${kept%/*}"
  mv "$dir/tree/usr/bin/promtool" "$kept.$$"
  mv "$kept.$$" "$kept"
fi
echo "$kept"
