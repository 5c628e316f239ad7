#!/bin/bash
# Builds a patchgate without libvirt and holds it against the whole one: the same run gives the same words and the same
# exit code, and what needs a host says why it does not work.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    echo "without libvirt: $*" >&2
    exit 1
}

tree=$(cargo tree --locked --no-default-features --edges normal --prefix none)
grep -E '^virt(-sys)? ' <<<"$tree" && fail "the bindings to libvirt are still among the dependencies"
cargo clippy --quiet --locked --no-default-features --lib --bins -- -D warnings

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/without" "$work/whole"
cargo build --quiet --locked --no-default-features
cp "${CARGO_TARGET_DIR:-target}/debug/patchgate" "$work/without/"
# Last, so that this is the one that stays.
cargo build --quiet --locked
cp "${CARGO_TARGET_DIR:-target}/debug/patchgate" "$work/whole/"
ldd "$work/without/patchgate" | grep libvirt && fail "the library is linked"

export PATCHGATE_STATE=$work/state PATCHGATE_IMAGES=$work/images NO_COLOR=1
run=20261123-140912-7c1f
mkdir -p "$PATCHGATE_STATE/runs/$run"
cp tests/it/gate/snapshots/regressed.snap.jsonl "$PATCHGATE_STATE/runs/$run/journal.jsonl"

# What a patchgate prints on standard output, and its exit code.
said() {
    local code=0
    "$@" 2>"$work/stderr" || code=$?
    echo "exit code $code"
}

for arguments in "gate $run" "report $run" "report $run --format json" "report $run --format junit" \
    "report $run --format markdown" history check plan "scenario schema" "completion bash" --help; do
    # shellcheck disable=SC2086 # several words
    diff <(said "$work/whole/patchgate" $arguments) <(said "$work/without/patchgate" $arguments) ||
        fail "\`patchgate $arguments\` is not as with it"
done
said "$work/without/patchgate" gate "$run" >"$work/gate"
tail -n 2 "$work/gate" | head -n 1 | grep -q "^gate: CLOSED run=$run " || fail "the gate's line is not the last"
[[ $(tail -n 1 "$work/gate") == "exit code 1" ]] || fail "the gate does not decide"
said "$work/without/patchgate" init "$work/lab" | grep -qx "exit code 0" || fail "no lab is made"

for arguments in run "run --dry-run" "scenario try shop/order" clean doctor; do
    # shellcheck disable=SC2086 # several words
    said "$work/without/patchgate" $arguments >"$work/stdout"
    [[ $(tail -n 1 "$work/stdout") == "exit code 2" ]] || fail "\`patchgate $arguments\` does not end with 2"
    grep -q "this patchgate was built without libvirt" "$work/stdout" "$work/stderr" ||
        fail "\`patchgate $arguments\` does not say why"
done
echo "without libvirt: as with it, but for what needs a host"
