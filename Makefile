# Interlock's commands for people and CI. `make demo` is for a first look; `make check` and `make test` are for changes.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build

# The one tool that is not in go.mod: it would bring two hundred modules along.
GOLANGCI := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

VERSION = $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
PLAYGROUND := services/gateway/playground
CLIENTS := lab/clients

.PHONY: build playground clients clients-all demo check test test-all lint generate fmt clean

## build: bin/interlock, with the playground where Node is present
build: playground
	go build -ldflags '-X main.version=$(VERSION)' -o bin/interlock ./cmd/interlock

## demo: the embedded server with the sample timetable on sale, on 127.0.0.1:8080; docs/operations.md says how elsewhere
demo: build
	exec bin/interlock serve --demo

## check: format, lint, vet and the tests that need no servers, in two minutes
check:
	GOLANGCI='$(GOLANGCI)' scripts/test.sh check

## test: installs what is missing, then tests every promise on MySQL, SQLite and Redis
test:
	scripts/test.sh

## test-all: the same on MariaDB as well, with longer fuzzing, and the tests of the lab that take minutes each
test-all:
	scripts/test.sh all

## lint: the import rules and the linters of .golangci.yml
lint:
	$(GOLANGCI) run

## generate: graph/ from schema.graphql, and paypb and notifypb from their .proto files; tools/go.mod has what these need
generate:
	go tool gqlgen generate
	go run -C tools ./proto ../services/pay/paypb pay.proto
	go run -C tools ./proto ../services/notify/notifypb notify.proto

## fmt: formats the Go sources
fmt:
	$(GOLANGCI) fmt

## clean: removes what was built, not what was installed
clean:
	rm -rf bin $(PLAYGROUND)/node_modules $(CLIENTS)/*/node_modules
	git clean -fdXq -- $(PLAYGROUND)/dist

# Node is needed in the version that package.json names; without it the server says how to get the playground.
NODE_FITS := $(shell node -e ' \
	const want = require("./$(PLAYGROUND)/package.json").engines.node.match(/\d+/g).map(Number); \
	const have = process.versions.node.split(".").map(Number); \
	const fits = have[0] > want[0] || (have[0] === want[0] && have[1] >= (want[1] ?? 0)); \
	if (fits) console.log("yes")' 2>/dev/null && command -v npm)

ifeq ($(firstword $(NODE_FITS)),yes)
playground: $(PLAYGROUND)/dist/index.html
else
playground:
	@echo 'Node is missing or too old (see engines in $(PLAYGROUND)/package.json): building without the playground.'
endif

$(PLAYGROUND)/dist/index.html: $(PLAYGROUND)/node_modules/.package-lock.json $(shell find $(PLAYGROUND)/app -type f) \
		$(addprefix $(PLAYGROUND)/,index.html package.json vite.config.js)
	cd $(PLAYGROUND) && npm run build

## clients: the packages of the programs in lab/clients that `make test` runs; clients-all: those of `make test-all` too
ifeq ($(firstword $(NODE_FITS)),yes)
clients: $(CLIENTS)/usual/node_modules/.package-lock.json
clients-all: clients $(CLIENTS)/more/node_modules/.package-lock.json
else
clients clients-all:
	@echo 'Node is missing or too old (see engines in $(PLAYGROUND)/package.json): the clients are not tested.'
endif

# npm itself leaves this file, newer than the one it was made from.
%/node_modules/.package-lock.json: %/package-lock.json
	cd $* && npm ci --no-audit --no-fund
	touch $@
