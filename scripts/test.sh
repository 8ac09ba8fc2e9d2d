#!/usr/bin/env bash
# What `make check`, `make test` and `make test-all` do. Each runs all its steps, also after one has failed, so that one
# run tells everything that is wrong.
#
#   test.sh check   format, lint, vet, and the tests that need no servers
#   test.sh         installs the servers that the tests need, and tests every promise: the playground, the usual
#                   clients, generated code, some fuzzing, a short sale and short faults on real clusters, and all tests
#                   on MySQL, SQLite and Redis
#   test.sh all     the same on MariaDB as well, with more clients, longer fuzzing and all tests of the lab
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly mode="${1:-test}"
# Inputs are counted, not timed: while Go makes an input smaller a time may run out, and the fuzzing then fails.
fuzz_runs=20000x
readonly fuzz_smaller=100x
readonly package_timeout=20m # for one package's tests; the longest takes half of it on a slow machine
readonly lab_timeout=60m     # for the lab's tests of one package, which take minutes each

wanted=(redis mysql haproxy chromium poppler font compiler node)
case "$mode" in
  check) export INTERLOCK_TEST_SERVERS=none ;;
  test) export INTERLOCK_TEST_SERVERS=mysql,redis,haproxy ;;
  all)
    unset INTERLOCK_TEST_SERVERS # all servers
    wanted+=(mariadb)
    fuzz_runs=500000x
    ;;
  *)
    echo "usage: $0 [check|all]" >&2
    exit 2
    ;;
esac

# there PROGRAM...: whether this machine has all the programs.
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
  local name="$1" from=$SECONDS
  shift
  printf '\n== %s\n' "$name"
  "$@" || failed+=("$name")
  printf '   %d s\n' $((SECONDS - from))
}

build_playground() {
  make --no-print-directory playground || return 1
  if there node; then npm --prefix services/gateway/playground test; fi
}

# The programs themselves are run by the tests of lab/clients.
install_clients() {
  if [[ "$mode" == all ]]; then make --no-print-directory clients-all; else make --no-print-directory clients; fi
}

check_formatted() {
  local files
  files="$(find . -name node_modules -prune -o -name '*.go' -print0 | xargs -0 gofmt -l)" || return 1
  [[ -z "$files" ]] || { printf 'not formatted (make fmt): %s\n' "$files"; return 1; }
  if git grep -nE '^(<{7}|>{7}) '; then
    echo 'left over from a merge'
    return 1
  fi
}

lint() { # the command has arguments
  # shellcheck disable=SC2086
  ${GOLANGCI:?} run
}

# This compares the folder with itself, since a commit may not have it yet.
check_generated() {
  local before result=0
  before="$(mktemp -d)"
  cp -r graph services/pay/paypb services/notify/notifypb "$before"
  make --no-print-directory generate && diff -r "$before/graph" graph && diff -r "$before/paypb" services/pay/paypb && diff -r "$before/notifypb" services/notify/notifypb ||
    result=1
  rm -rf "$before"
  ((result == 0)) || printf 'graph/, paypb/ or notifypb/ was not what schema.graphql or the .proto file makes of it; it is now\n'
  return "$result"
}

fuzz() {
  local found file name result=0
  while IFS=: read -r file found; do
    name="${found#func }"
    go test -run '^$' -fuzz "^$name\$" -fuzztime "$fuzz_runs" -fuzzminimizetime "$fuzz_smaller" \
      "$(dirname "$file")" || result=1
  done < <(grep -roE --include='*_test.go' --exclude-dir=node_modules '^func Fuzz[A-Za-z0-9_]+' .)
  return "$result"
}

test_packages() {
  local options=(-timeout "$package_timeout")
  if there gcc; then options+=(-race); fi # the race detector needs a C compiler
  if [[ -z "$missing" ]]; then export INTERLOCK_REQUIRE_SERVERS=1; fi # a test that is skipped fails then
  go test "${options[@]}" ./...
}

# A real cluster, buyers, and a baseline beside: what is sold is right, and at least five times the baseline.
short_sale() {
  there redis-server mysqld || return 0
  INTERLOCK_REQUIRE_SERVERS=1 go test -tags lab -timeout "$package_timeout" -run '^TestShort$' ./lab/sell
}

# A few faults stand for all, on real clusters with buyers: the lock off, a server killed at each point, COMMIT cut, the
# primary killed, an old primary that thaws unfenced, and one that is ended while its replicas are stopped.
short_faults() {
  there redis-server mysqld || return 0
  INTERLOCK_REQUIRE_SERVERS=1 go test -tags lab -timeout "$package_timeout" -run '^TestShort$' -v ./lab/fault
}

# The tests with the build tag `lab`, one package after the other. They measure time, so they run without the race
# detector.
lab_tests() {
  local folder files names result=0
  there redis-server mysqld mariadbd || return 0
  while read -r folder; do
    if [[ "$folder" == ./lab/clients ]] && ! there node; then continue; fi
    mapfile -t files < <(grep -l '^//go:build lab$' "$folder"/*_test.go)
    names="$(grep -hoP '^func \KTest(?!Main\b)\w+' "${files[@]}" | paste -sd '|')" || continue
    INTERLOCK_REQUIRE_SERVERS=1 go test -tags lab -timeout "$lab_timeout" -run "^($names)\$" "$folder" || result=1
  done < <(grep -rlE --include='*_test.go' --exclude-dir=node_modules '^//go:build lab$' . |
    xargs -n 1 dirname | sort -u)
  return "$result"
}

missing=""
if [[ "$mode" == check ]]; then
  step 'formatted' check_formatted
  step 'lint' lint
  step 'vet' go vet ./...
  step 'test' go test -short -timeout "$package_timeout" ./...
else
  missing="$(scripts/install-test-servers.sh "${wanted[@]}")"
  step 'playground' build_playground
  step 'clients' install_clients
  step 'formatted' check_formatted
  step 'generated' check_generated
  step 'vet' go vet ./...
  step 'fuzz' fuzz
  if [[ "$mode" == test ]]; then
    step 'short sale' short_sale
    step 'short faults' short_faults
  else
    step 'lab' lab_tests
  fi
  step 'test' test_packages
fi

if [[ -n "$missing" ]]; then
  printf '\nNOT TESTED: what needs %s, which could not be had on this machine.\n' "${missing//$'\n'/, }"
fi
if ((${#failed[@]})); then
  printf '\nFAILED:%s\n' "$(printf ' %s' "${failed[@]}")"
  exit 1
fi
