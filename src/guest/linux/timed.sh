# shellcheck shell=bash
limit=$1; shift
exec 3> >(head -c "$limit"; cat >/dev/null)
exec 4> >(exec 3>&-; head -c "$limit" >&2; cat >/dev/null)
errors=$!
if [ "$1" = /bin/bash ] && [ "$2" = -c ]; then
  text=$3; shift 4
  action() { (eval "$text"); }
else
  action() { "$@"; }
fi
begin=$EPOCHREALTIME
action "$@" >&3 2>&4 3>&- 4>&-
code=$?
end=$EPOCHREALTIME
exec 3>&- 4>&-
wait "$errors"
[ -z "$begin" ] || printf '\n%s\n' "$((10#${end//[!0-9]/} - 10#${begin//[!0-9]/}))" >&2
exit "$code"
