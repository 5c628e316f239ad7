# shellcheck shell=bash
# shellcheck disable=SC2317,SC2329 # `section` calls it by its name
# `etc` tells of the files below /etc: those that are as their package has them (dpkg's `${Conffiles}`, or ucf's register)
# are left out in the guest, which keeps the answer small. One process for each kind of work, never one for each file.
# shellcheck disable=SC2034 # what it takes; read by what follows
etc_takes='dpkg-query find xargs md5sum'
etc() {
  local known ucf found
  known=$(dpkg-query -W -f '${Conffiles}\n') || return
  ucf=$(cat /var/lib/ucf/hashfile 2> /dev/null)
  # A history of /etc (etckeeper(8)) changes with every change, which is told by itself.
  found=$(find /etc -xdev \( -name .git -o -name .hg -o -name .bzr -o -name .svn -o -name _darcs -o -name CVS \) -prune -o \
    -type f -size -2048 ! -path /etc/.etckeeper -print0 | head -z -n 20001 | { xargs -0 -r md5sum || true; } | awk '
    kind == "dpkg" { if ($1 ~ /^\/etc\// && $2 ~ /^[0-9a-f]+$/) sum[$1] = $2; next }
    kind == "ucf" { if ($2 ~ /^\/etc\//) sum[$2] = $1; next }
    { path = substr($0, 35); seen[path] = 1; files++
      if (path ~ /\.(dpkg|ucf)-(dist|old|new|tmp)$/) print "l " path
      else if (!(path in sum)) print "o " substr($1, 1, 12) " " path
      else if (sum[path] != $1) print "m " substr($1, 1, 12) " " path }
    END { for (path in sum) if (!(path in seen)) print "x " path
      if (files == 0 || files > 20000) exit 3 }' kind=dpkg <(printf '%s\n' "$known") kind=ucf <(printf '%s\n' "$ucf") kind=etc -) || return
  [[ -n $found ]] || return 0
  printf '%s\n' "$found"
  # Files of no package that a package's own scripts speak of: its update may well write them.
  # shellcheck disable=SC2062 # what follows the pattern's `-` are files
  sed -n 's/^o [^ ]* //p' <<< "$found" | { grep -soHwFf - /var/lib/dpkg/info/*.{postinst,config} || true; } | sort -u |
    sed -E 's|^/var/lib/dpkg/info/([^:]+)(:[^:.]+)?\.(postinst\|config):|w \1 |'
}
