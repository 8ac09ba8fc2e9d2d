#!/usr/bin/env bash
# What `make test` does: installs the servers that the tests need, builds the playground, checks that the sources are
# formatted and generated, fuzzes for a few seconds, sells on a real cluster, breaks some, and runs every test. One run tells
# everything that is wrong: a step that fails does not keep the next from running.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Counted, not timed: a time that runs out while Go makes an input smaller fails now and then by itself.
readonly fuzz_runs=20000x fuzz_smaller=100x
readonly package_timeout=12m # for one package's tests; nothing that passes takes a quarter of it

# there PROGRAM...: whether this machine has them all.
there() {
  local program
  for program in "$@"; do
    if grep -qxF "$program" <<<"$missing"; then
      echo "not run: $program is missing"
      return 1
    fi
  done
}

failed=()
step() { # NAME COMMAND...
  local name="$1"
  shift
  printf '\n== %s\n' "$name"
  "$@" || failed+=("$name")
}

build_playground() {
  make --no-print-directory playground || return 1
  if there node; then npm --prefix services/gateway/playground test; fi
}

check_formatted() {
  local files
  files="$(find . -name node_modules -prune -o -name '*.go' -print0 | xargs -0 gofmt -l)" || return 1
  [[ -z "$files" ]] || { printf 'not formatted (make fmt): %s\n' "$files"; return 1; }
}

# The folder is compared with itself, not with what is committed, so that the check is right in a dirty tree as well.
check_generated() {
  local before result=0
  before="$(mktemp -d)"
  cp -r graph "$before"
  go tool gqlgen generate && diff -r "$before/graph" graph || result=1
  rm -rf "$before"
  ((result == 0)) || printf 'graph/ was not what schema.graphql makes of it; it is now\n'
  return "$result"
}

fuzz() {
  local found file name result=0
  while IFS=: read -r file found; do
    name="${found#func }"
    go test -run '^$' -fuzz "^$name\$" -fuzztime "$fuzz_runs" -fuzzminimizetime "$fuzz_smaller" "$(dirname "$file")" || result=1
  done < <(grep -roE --include='*_test.go' --exclude-dir=node_modules '^func Fuzz[A-Za-z0-9_]+' .)
  return "$result"
}

test_all() {
  local options=(-timeout "$package_timeout")
  if there gcc; then options+=(-race); fi # the race detector needs a C compiler
  if [[ -z "$missing" ]]; then export INTERLOCK_REQUIRE_SERVERS=1; fi # a test must not be skipped unnoticed
  go test "${options[@]}" ./...
}

# A real cluster, buyers on it and a baseline beside: what is sold is right, and at least five times the baseline.
short_sale() {
  there redis-server mysqld || return 0
  INTERLOCK_REQUIRE_SERVERS=1 go test -tags lab -timeout "$package_timeout" -run '^TestShort$' ./lab/sell
}

# The faults that stand for all, on real clusters that people use: the lock off, a server killed at each point, COMMIT cut, the
# primary killed, an old one that thaws unfenced, and one that is ended while its replicas are stopped.
short_faults() {
  there redis-server mysqld || return 0
  INTERLOCK_REQUIRE_SERVERS=1 go test -tags lab -timeout "$package_timeout" -run '^TestShort$' -v ./lab/fault
}

missing="$(scripts/install-test-servers.sh)"
step 'playground' build_playground
step 'formatted' check_formatted
step 'generated' check_generated
step 'vet' go vet ./...
step 'fuzz' fuzz
step 'short sale' short_sale
step 'short faults' short_faults
step 'test' test_all

if [[ -n "$missing" ]]; then
  printf '\nNOT TESTED: what needs %s, which could not be had on this machine.\n' "${missing//$'\n'/, }"
fi
if ((${#failed[@]})); then
  printf '\nFAILED:%s\n' "$(printf ' %s' "${failed[@]}")"
  exit 1
fi
