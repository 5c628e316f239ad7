#!/bin/bash
# `make test`: says what is left out and why, then hands over to the runner, whose summary comes last.
# LIVE=no leaves the live tests out. With CI set, nextest runs its profile `ci`: time-outs, and JUnit for other programs.
set -euo pipefail
cd "$(dirname "$0")/.."

live=${LIVE:-yes}
left_out="foreign guests (\`make test-guests\`)"
case $live in
    yes)
        if ! timeout 10 virsh -q -c qemu:///system uri > /dev/null 2>&1; then
            echo "test: qemu:///system does not answer, so live tests will fail; LIVE=no leaves them out"
        fi
        ;;
    no) left_out="the live tests on real clones, because of LIVE=no; $left_out" ;;
    *)
        echo "test: LIVE is \`$live\`; it can be yes or no" >&2
        exit 2
        ;;
esac
case ${CI:-} in
    '' | 0 | false) profile=default ;;
    *) profile=ci ;;
esac

if cargo nextest --version > /dev/null 2>&1; then
    runner=(cargo nextest run --locked --workspace --profile "$profile")
    if [ "$live" = no ]; then
        runner+=(-E 'not binary(=live)')
    fi
    if [ "$profile" = ci ]; then
        echo "test: with time-outs; JUnit goes to target/nextest/ci/junit.xml"
    fi
else
    echo "test: cargo-nextest is not installed, so \`cargo test\` runs them one by one, without time-outs and without JUnit"
    runner=(cargo test --locked --workspace)
    if [ "$live" = no ]; then
        runner+=(--lib --bins --test it)
    else
        runner+=(--all-targets)
    fi
    runner+=(-- --test-threads=1)
fi
echo "test: left out: $left_out"
exec "${runner[@]}"
