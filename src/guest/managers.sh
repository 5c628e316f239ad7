# shellcheck shell=bash
# shellcheck disable=SC2317,SC2329 # `section` calls functions by their names
# The package managers of a guest, whichever it has, and where their packages come from, as far as they say it without asking there.
managers() {
  local program
  for program in apt-get dnf yum zypper apk pacman rpm-ostree; do
    ! there "$program" || printf '%s\n' "$program"
  done
}
sources() {
  if there apt-get; then
    # What `file:` and `cdrom:` sources are is none of the network's business. `apt-get indextargets` tells of those alone whose
    # lists were fetched, and templates have none.
    apt-get update --print-uris | sed -nE "s@^'([^']+)/InRelease' .*@\1@p" | sed 's@/dists/.*@@' | sort -u
  fi
  local files=(/etc/yum.repos.d/*.repo /etc/zypp/repos.d/*.repo)
  (( ${#files[@]} == 0 )) || awk -F ' *= *' '
    function end() { if (on && address != "") print address; on = 1; address = "" }
    FNR == 1 || /^\[/ { end() }
    $1 == "enabled" && ($2 == "0" || tolower($2) ~ /^(no|false|off)$/) { on = 0 }
    $1 == "baseurl" || ($1 ~ /^(metalink|mirrorlist)$/ && address == "") { sub(/^[^=]*= */, ""); address = $0 }
    END { end() }' "${files[@]}" | sort -u
}
