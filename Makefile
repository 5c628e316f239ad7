# The doors. Each does all of its own set-up; CI calls only these.
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
export CARGO_INCREMENTAL ?= 0
PATCHGATE := target/release/patchgate
# Tests without live ones need no daemon.
LIVE ?= yes
# Where the disks of `make test-guests` are put.
GUESTS ?= $(CURDIR)/target/guests
ifeq ($(LIVE),no)
export PATCHGATE_SETUP_NO_DAEMON := 1
endif

.PHONY: help setup build check test demo fuzz bench soak clean test-guests test-rpm

help: ## what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | column -t -s "$$(printf '\t')"

setup: ## system packages and a libvirt daemon, where they are missing
	@./setup.sh

build: setup ## the binary target/release/patchgate
	cargo build --release --locked

check: setup ## format, lints, docs, scripts, spelling, licences, a build without libvirt, and the shipped lab's own lint
	cargo fmt --check
	git ls-files -z '*.sh' .ci/run | xargs -0 -r shellcheck
	git ls-files -z | xargs -0 -r codespell
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --quiet --no-deps --locked --workspace
	@if cargo deny --version >/dev/null 2>&1; \
	then cargo deny --locked --workspace check --hide-inclusion-graph licenses bans sources; \
	else echo "cargo deny: not installed, left out (cargo install cargo-deny)"; fi
	@./tests/without-libvirt.sh
	cargo run --quiet --locked -- check

test: setup ## unit, property and golden tests, the fake lab, and live tests on real clones: LIVE=no leaves these out
	@LIVE='$(LIVE)' ./tests/run.sh

test-guests: setup ## foreign guests on real clones, made by vmdb2 and FAI: two hours; their disks (20 GB) go to GUESTS=folder, ONLY=lvm selects
	tests/guests/make.sh all '$(GUESTS)'
	PATCHGATE_GUESTS_DIR='$(GUESTS)' cargo nextest run --locked --test live --run-ignored only -E 'test(foreign::$(ONLY))'

test-rpm: setup ## updates of dnf and zypper that go wrong, on real clones: an hour; ONLY=dnf selects
	cargo nextest run --locked --test live --run-ignored only -E 'test(rpm::$(ONLY))'

demo: build ## the main job on real clones: 2 OS versions x 2 roles, real pending security updates
	$(PATCHGATE) doctor
	$(PATCHGATE) run --build --select web,database --partial --report target/demo-report.md

fuzz: ## every reader of others' texts with changed seeds, for a minute: FUZZ="--inputs 1000000 --seed 7 tap" says otherwise
	cargo build --release --locked --package patchgate-fuzz
	target/release/patchgate-fuzz $(FUZZ)

bench: build ## what it costs, against the bounds of docs/bench.md: PARTS="fake replay" selects
	cargo build --release --locked --package patchgate-bench
	target/release/patchgate-bench $(PARTS)

soak: build ## many runs with faults, none of which may lie or leave anything: RUNS=1000 on the fake lab, CLONES=20 real ones
	@RUNS='$(RUNS)' CLONES='$(CLONES)' SEED='$(SEED)' ./tests/soak.sh

clean: ## what dead runs left on this host
	$(PATCHGATE) clean
