# shellcheck shell=bash
# Follows pending.sh, or zypper.sh with advisories.sh. The patches that are needed, with what they are of; which sources have any.
# A patch is needed where a package is installed that it is at odds with: an older one than its own.
said=$(zyp --xmlout --no-refresh list-patches --with-optional | sed -zE -e 's@<(title|href|license)>[^<]*</(title|href|license)>@@g' \
  -e 's@<description>[^<]*</description>@@g' -e 's@ url="[^"]*"@@g'; exit "${PIPESTATUS[0]}")
status=$?; part patches $status "$said"; [ $status = 0 ] || ended $status
ids=$(grep -oE '<update kind="patch" name="[^"]*"' <<< "$said" | sed -E 's/.* name="([^"]*)"/\1/' | sort -u)
if [ -n "$ids" ]; then
  # What a patch says of itself is behind blanks there, and so is each of several packages below `Conflicts`.
  # shellcheck disable=SC2086 # names of patches, without blanks
  said=$(zyp --no-refresh info --type patch -- $ids | awk '
    /^[^ ]/ || /^ *$/ { on = 0 }
    /^Name +: / { print "Patch " $3 }
    /^Conflicts +: / { on = 1; sub(/^Conflicts +: /, ""); if ($0 !~ /^\[[0-9]+\]$/) print "Below " $0; next }
    on { sub(/^ +/, ""); print "Below " $0 }'; exit "${PIPESTATUS[0]}")
  status=$?; part contents $status "$said"; [ $status = 0 ] || ended $status
fi
said=$(zyp --xmlout --no-refresh search --details --type patch | grep -oE ' repository="[^"]*"' | sort -u | sed 's@.*@<has&/>@'
  exit "${PIPESTATUS[0]}")
status=$?
# 104: no source has any.
[ $status = 104 ] && status=0
part telling $status "<stream>$said</stream>"
[ $status = 0 ] || ended $status
