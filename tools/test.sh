#!/usr/bin/env bash
# Runs the parts named, each one a function below, and prints how long each took.
set -u
cd "$(dirname "$0")/.."

deps() { tools/deps.sh; }

format() {
  local changed
  changed=$(go tool -modfile=tools/go.mod gofumpt -l $(git ls-files '*.go')) || return
  [ -z "$changed" ] || { echo "gofumpt would change: $changed" >&2; return 1; }
}

# bench/plot is a module of its own.
vet() { go vet ./... && go vet -tags systemd ./test/... && go vet -tags fanout ./bench/... && go -C bench/plot vet ./... ; }

static() {
  go tool -modfile=tools/go.mod staticcheck ./... &&
    (cd bench/plot && go tool -modfile=../../tools/go.mod staticcheck ./...)
}

build() { go build -o bin/ ./cmd/... ; }

unit() { go test -race -timeout 10m ./... && go -C bench/plot test ./... ; }

fuzz() { tools/fuzz.sh "${FUZZTIME:-5s}" ; }

torture() { go run ./bench/torture ${TORTURE:-} ; }

loops() { go test -p 1 -timeout 60m -count=1 ./... ; }

# Not with -race: these measure.
costs() { go test -count=1 -run 'Cost|NoAllocations' ./internal/feed ./internal/sock ./internal/store ./pkg/relay ; }

fanout() { go test -count=1 -tags fanout -run TestFanOut -v ./bench/compare ; }

passed=0 failed=0 table=
for part in "$@"; do
  echo "== $part"
  begin=$(date +%s)
  if "$part"; then passed=$((passed + 1)) how=ok; else failed=$((failed + 1)) how=FAILED; fi
  table+=$(printf '%-8s %-7s %4d s' "$part" "$how" $(($(date +%s) - begin)))$'\n'
  [ "$part" != deps ] || [ "$how" = ok ] || break
done
printf '\n%s\nparts: %d passed, %d failed\n' "$table" "$passed" "$failed"
[ "$failed" = 0 ]
