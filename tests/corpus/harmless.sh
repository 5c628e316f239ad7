#!/bin/bash
# A text that nobody reads has a new edition, on the web server and on the database server. Nothing breaks.
#
#   tests/corpus/harmless.sh DIR && cd DIR && patchgate run --build --select web,database --partial        # gate: OPEN, exit code 0
. "$(dirname "$0")/lib.sh"
begin "$@"

edition() { # VERSION
    mkdir -p "house-rules-$1/usr/share/house-rules"
    echo "House rules, edition $1" > "house-rules-$1/usr/share/house-rules/rules.txt"
}
edition 1.0
edition 2.0
plant house-rules "web database"
# Every selected node has the update, so one that has none is a fault.
sed -i '/^expect_updates = false$/d' patchgate.toml
