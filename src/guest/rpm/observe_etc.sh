# shellcheck shell=bash
# shellcheck disable=SC2317,SC2329 # `section` calls it by its name
# `etc` tells of the files below /etc: those that are as their package has them are left out in the guest, which keeps the
# answer small. One process for each kind of work, never one for each file. Packages of old have MD5 sums (rpm-queryformat(7)).
# shellcheck disable=SC2034 # what it takes; read by what follows
etc_takes='rpm find xargs sha256sum md5sum'
etc() {
  local known old
  known=$(HOME=/root rpm -qa --qf '[%{FILEFLAGS:fflags}|%{FILEDIGESTS}|%{FILENAMES}\n]' | grep '|/etc/') || return
  old=$(awk -F '|' 'length($2) == 32 { print $3 }' <<< "$known")
  # A history of /etc (etckeeper(8)) changes with every change, which is told by itself.
  find /etc -xdev \( -name .git -o -name .hg -o -name .bzr -o -name .svn -o -name _darcs -o -name CVS \) -prune -o \
    -type f -size -2048 ! -path /etc/.etckeeper -print0 | head -z -n 20001 | { xargs -0 -r sha256sum || true; } | awk '
    kind == "rpm" {
      at = index($0, "|"); rest = substr($0, at + 1); cut = index(rest, "|")
      digest = substr(rest, 1, cut - 1); path = substr(rest, cut + 1)
      # What a package only takes for its own is made by others.
      flags = substr($0, 1, at - 1)
      if (digest != "" && flags !~ /g/) sum[path] = digest
      if (flags ~ /m/) may_lack[path] = 1
      next }
    kind == "md5" { path = substr($0, 35); md5[path] = $1; next }
    { path = substr($0, 67); seen[path] = 1; files++
      if (path ~ /\.rpm(new|save|orig)$/) print "l " path
      else if (!(path in sum)) print "o " substr($1, 1, 12) " " path
      else if (sum[path] != $1 && sum[path] != md5[path]) print "m " substr($1, 1, 12) " " path }
    END { for (path in sum) if (!(path in seen) && !(path in may_lack)) print "x " path
      if (files == 0 || files > 20000) exit 3 }' kind=rpm <(printf '%s\n' "$known") \
    kind=md5 <([ -z "$old" ] || tr '\n' '\0' <<< "$old" | { xargs -0 -r md5sum 2> /dev/null || true; }) kind=etc -
}
