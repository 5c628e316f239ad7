# shellcheck shell=bash
set -e; umask 022; mkdir -p -- "${1%/*}"; cat > "$1"
