# shellcheck shell=bash
limit=$1; shift
{ "$@" 2>&3 | { head -c "$limit"; cat >/dev/null; }; exit "${PIPESTATUS[0]}"; } 3> >(head -c "$limit" >&2; cat >/dev/null)
