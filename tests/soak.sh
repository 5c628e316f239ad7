#!/bin/bash
# `make soak`: RUNS runs on the fake lab with faults by chance (SEED says where they begin), then CLONES runs of a harmless
# update on real clones. Each gate must be right, each run must leave nothing, and memory must stay flat.
set -euo pipefail
cd "$(dirname "$0")/.."

runs=${RUNS:-1000}
clones=${CLONES:-20}

if [ "$runs" -gt 0 ]; then
    echo "soak: $runs runs on the fake lab with faults by chance, from seed ${SEED:-0}"
    PATCHGATE_SOAK_RUNS=$runs PATCHGATE_SOAK_SEED=${SEED:-0} cargo test --locked --test it -- \
        --exact faults::faults_by_chance_never_make_a_gate_lie --nocapture | grep -E '^(gates|memory|test result)'
fi
if [ "$clones" -eq 0 ]; then
    exit 0
fi

patchgate=$PWD/target/release/patchgate
lab=$(mktemp -d)/lab
trap 'rm -rf "$(dirname "$lab")"' EXIT
tests/corpus/harmless.sh "$lab"
cd "$lab"
export PATCHGATE_STATE=$lab/state
for run in $(seq "$clones"); do
    "$patchgate" run --build --select web/debian-12 --partial > out.txt 2> err.txt ||
        { cat err.txt out.txt; echo "soak: run $run: a harmless update did not open the gate"; exit 1; }
    left=$("$patchgate" clean --all --dry-run)
    case $left in
        *"clean: 0 "*) ;;
        *) echo "soak: run $run left something: $left"; exit 1 ;;
    esac
    echo "soak: run $run of $clones: $(tail -n 1 out.txt)"
done
