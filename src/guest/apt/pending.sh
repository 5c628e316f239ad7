# shellcheck shell=bash
# shellcheck disable=SC2154 # `phase` is of phase.sh, which stands before this
# What a full upgrade would do; the packages on hold; those that wait for their phase; what another package manager has
# installed; and when each list of the sources was made, in seconds since 1970.
simulated() { /usr/bin/apt-get -q -s -o Debug::NoLocking=1 "$@" dist-upgrade; }
said=$(simulated "${phase[@]}"); status=$?
printf '%s\n' "$said"
[ $status = 0 ] || exit $status
apt-mark showhold | sed 's/^/Hold /'
# Before apt 2.7 what waits for its phase is only kept back, and no apt says which version waits.
kept=$(awk '/^[^ ]/ {
  on = /^(The following packages have been kept back|The following upgrades have been deferred due to phasing):$/ ||
    /^Not upgrading( yet due to phasing)?:$/ }
  on && /^  /' <<< "$said" | tr '\n' ' ')
# shellcheck disable=SC2086 # names of packages, without blanks
if [ -n "$kept" ] && apt-cache policy $kept | grep -q ' (phased [0-9]*%)$'; then
  simulated -o APT::Get::Always-Include-Phased-Updates=true | awk -v kept="$kept" '
    BEGIN { split(kept, names); for (at in names) waits[names[at]] = 1 }
    $1 == "Inst" && $2 in waits { to = $0; sub(/^[^(]*\(/, "", to); sub(/ .*/, "", to); print "Phased " $2 " " to }'
fi
if command -v snap > /dev/null; then
  timeout 20 snap list 2> /dev/null | awk 'NR > 1 && NF >= 3 { print "Snap " $1 " " $3 }' | head -n 200
fi
lists=$(apt-config shell dir Dir::State::lists/d)
eval "$lists"
for file in "${dir:-/var/lib/apt/lists/}"*Release; do
  [ -f "$file" ] || continue
  dated=$(sed -n -e 's/^Date: //p' -e '/^SHA256:/q' -e '/^MD5Sum:/q' "$file" | head -n 1)
  [ -n "$dated" ] && dated=$(date -d "$dated" +%s 2>/dev/null) && echo "List $dated ${file##*/}"
done
exit 0
