# shellcheck shell=bash
[ -f "$1" ] || exit 2; cat -- "$1" && rm -f -- "$1"
