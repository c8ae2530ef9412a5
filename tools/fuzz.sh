#!/usr/bin/env bash
# Runs every fuzz target of the tree for the time given, 5s if none is.
set -eu
time=${1:-5s}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for package in $(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./...); do
  for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
    # The fuzzer sometimes reports its own end as a failure
    # (golang.org/issue/75804); that is no find, and it is run again.
    for try in 1 2 3; do
      if go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 10x "$package" >"$log" 2>&1; then
        echo "$target: $(grep -o 'execs: [0-9]*' "$log" | tail -n 1) in $time"
        break
      fi
      if [ "$try" = 3 ] || grep -q 'Failing input written' "$log" || ! grep -q 'context deadline exceeded' "$log"; then
        cat "$log" >&2
        exit 1
      fi
    done
  done
done
