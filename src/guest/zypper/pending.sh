# shellcheck shell=bash
# Follows zypper.sh. What a full update would do, or with arguments what installing those would do; and what there is to know of
# it: which versions the sources have, what is locked, why something is left out, where it comes from and what it is for.
# `capture` keeps zypper's exit code, `said` what it printed.
capture() { said=$(zyp --xmlout --no-refresh "$@" | slim; exit "${PIPESTATUS[0]}"); }
tell() { local name=$1; shift; capture "$@"; local status=$?; part "$name" $status "$said"; [ $status = 0 ] || ended $status; }
# What a part names that another has not; both are lines of `transaction`, or of `candidates`.
beside() { LC_ALL=C comm -23 <(LC_ALL=C sort -u <<< "$1") <(LC_ALL=C sort -u <<< "$2") | grep . | head -n "$3"; }
candidates() { sed -nE 's@<update @\n&@gp' | sed -nE 's@^<update kind="package" name="([^"]*)" edition="([^"]*)" arch="([^"]*)".*@+\1.\3=\2@p'; }
tell repos repos --uri --priority
if [ $# = 0 ]; then asked=(update --dry-run); else asked=(install --dry-run -- "$@"); fi
tell update "${asked[@]}"
resolved=$said
taken=$(transaction <<< "$said" | grep '^+')
tell all list-updates --all
all=$(candidates <<< "$said")
left=
if [ $# = 0 ]; then
  tell locks locks --matches --solvables
  locked=$(sed -nE 's@.*<match kind="package" name="([^"]*)".*@\1@p' <<< "$said")
  # A question for each takes its time: of the first of them alone.
  left=$(beside "$all" "$taken" 1000)
  count=0
  for one in $left; do
    one=${one#+} name=${one%%=*}
    grep -qxF -- "${name%.*}" <<< "$locked" && continue
    [ $((count += 1)) -le 40 ] || break
    capture install --dry-run --no-recommends -- "$one"; part "why $one" $? "$said"
  done
fi
# What is new is in no list of newer versions.
new=$(beside "$taken" "$all" 1000 | sed -E 's/^.([^=]*)\.[^.=]*=.*/\1/')
# shellcheck disable=SC2086 # names of packages, without blanks
[ -z "$new" ] || tell search search --details --match-exact --type package -- $new
# Who makes a package is told to people alone.
if grep -q '^<to-change-vendor>' <<< "$resolved"; then
  part vendors 0 "$(zyp --no-refresh "${asked[0]}" --details "${asked[@]:1}" 2> /dev/null | awk '
    / change vendor:$/ { on = 1; next } /^$/ { on = 0 } on')"
fi
