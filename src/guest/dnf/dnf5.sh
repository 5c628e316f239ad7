# shellcheck shell=bash
# What dnf 5 says and does. $1: VERB; $2: a proxy, or nothing; $3: seconds for which rpm's lock is waited for; $4: the root. A pinned
# set is on standard input, and answers are on standard output, both in the lines that dnf4.py has.
verb=$1 proxy=$2 patience=$3 root=$4
exec 3>&1
# What scripts of packages print is told from answers, wherever they print it.
[ "$verb" = refresh ] || exec 2> >(sed -u 's/^/| /' >&2)
exec >&2
say() { local IFS=$'\t'; printf '%s\n' "$*" >&3; }
refuse() { say Refused "$@"; exit 20; }
[ ! -e /run/ostree-booted ] || refuse image "the system is booted from an image (ostree or bootc), which is replaced as a whole"
command -v dnf5 > /dev/null || refuse absent "there is no dnf5"
# A key that the machine does not have is not taken: none is named.
options=(--setopt='*.gpgkey=' --setopt='*.skip_if_unavailable=0')
[ "$root" = / ] || options+=(--installroot="$root")
[ -z "$proxy" ] || options+=(--setopt="proxy=$proxy" --setopt="*.proxy=$proxy")
manage() { dnf5 "${options[@]}" "$@" < /dev/null; }
rpms() { rpm --root "$root" "$@"; }
work=${root%/}/var/cache/patchgate/dnf5
side() {
  local capability
  for capability in kernel 'installonlypkg(kernel)' 'installonlypkg(kernel-module)' 'installonlypkg(vm)' 'multiversion(kernel)'; do
    rpms -q --whatprovides --qf 'side|%{NAME}\n' "$capability" 2> /dev/null | grep '^side|'
  done | sort -u
}
# The table of a transaction as `Item` lines; beside it what is installed, and of which vendor.
items() {
  { side
    rpms -qa --qf 'is|%{NAME}|%{ARCH}|%{VENDOR}\n'
    manage -C repoquery --upgrades --qf 'comes|%{name}|%{arch}|%{evr}|%{repoid}|%{vendor}\n' 2> /dev/null
    printf '%s\n' "$1"; } | awk -F '|' -v OFS='\t' '
    function plain(evr) { sub(/^0:/, "", evr); return evr }
    function goes(name, arch, evr, full) {
      full = name in side ? name "-" evr : name
      if (!((full, arch) in gone)) { gone[full, arch] = 1; print "Item", full, arch, evr, "", "@System", name in side ? "kernel" : "", "", "" } }
    function flush(full, change, from, at) {
      if (name == "") return
      at = name SUBSEP arch
      if (at in is && (at, to, repo) in vendor && from_name == name && is[at] != vendor[at, to, repo])
        change = "vendor " is[at] " -> " vendor[at, to, repo]
      full = name in side ? name "-" to : name
      from = name in side ? "" : was
      print "Item", full, arch, from, to, repo, name in side ? "kernel" : "", change, ""
      name = "" }
    $1 == "side" { side[$2] = 1; next }
    $1 == "is" { is[$2, $3] = $4; next }
    $1 == "comes" { vendor[$2, $3, plain($4), $5] = $6; next }
    /^Transaction Summary:/ { flush(); summary = 1; next }
    summary { if (split($0, words, " ") >= 2 && words[1] ~ /^(Installing|Upgrading|Downgrading|Reinstalling):$/) told += words[2]; next }
    /^[A-Z].*:$/ { flush(); section = $0; next }
    /^Package / || /^Nothing to do/ || $0 == "" { next }
    section ~ /^(Skipping|Changing)/ { next }
    { count = split($0, field, " ") }
    field[1] == "replacing" && count >= 5 {
      if (field[2] == name) { was = plain(field[4]); from_name = name } else goes(field[2], field[3], plain(field[4]))
      next }
    /^ / && count >= 5 {
      flush()
      if (section ~ /^Removing/) { goes(field[1], field[2], plain(field[3])); next }
      name = field[1]; arch = field[2]; to = plain(field[3]); repo = field[4]; was = ""; from_name = ""; inbound++
      next }
    { print "Unread", $0 }
    END { if (inbound + 0 != told + 0) print "Unread", "the table has " inbound + 0 " packages, and counts " told + 0 }' >&3
}
problem() { sed -n '/^Failed to resolve/,/^You can try/p' "$1" | sed -e 1d -e '/^You can try/d'; }
repositories() {
  manage -C repo info --enabled --json 2> /dev/null | sed -nE 's/^ +"(id|pkg_gpgcheck|max_timestamp)":"?([^",]*)"?,?$/\1 \2/p' | while read -r key value; do
    case $key in
      id) id=$value checked='' has='' ;;
      pkg_gpgcheck) [ "$value" != true ] || checked=checked ;;
      max_timestamp)
        compgen -G "${root%/}/var/cache/libdnf5/$id-*/repodata/*updateinfo*" > /dev/null && has=advisories
        say Repo "$id" "$has" "$checked" "$value" ;;
    esac
  done
}
json() { manage -C advisory info --available --json 2> /dev/null | sed 's/^/Json\t/' >&3; }
candidates() { manage -C "$@" repoquery --upgrades --latest-limit=1 --qf '%{name}|%{arch}|%{evr}|%{repoid}\n' 2> /dev/null | sort; }
wait_for_rpm() {
  local lock=${root%/}/usr/lib/sysimage/rpm/.rpm.lock
  [ -e "$lock" ] || lock=${root%/}/var/lib/rpm/.rpm.lock
  while [ -e "$lock" ] && held=$(awk -v inode=":$(stat -c %i "$lock")" '$2 == "POSIX" && $6 ~ inode "$" { print $5; exit }' /proc/locks) && [ -n "$held" ]; do
    [ $SECONDS -lt "$patience" ] || refuse busy "process $held ($(tr '\0' ' ' < "/proc/$held/cmdline" | head -c 120))"
    sleep 1
  done
}
resolved() { # ARGUMENTS: the table of what they would do, in `table`
  local errors; errors=$(mktemp)
  table=$(manage -C "$@" --assumeno 2> "$errors"); why=$(problem "$errors")
  cat "$errors" >&2; rm -f "$errors"
}
# Signatures of packages of repositories that ask for them: replay looks at none of those that it has stored.
signed() {
  local checked nevra file said key
  checked=$(repositories 3>&1 | awk -F '\t' '$4 == "checked" { print $2 }')
  while IFS='|' read -r name arch _ to origin; do
    [ -n "$to" ] || continue
    nevra=$(nevra "$name" "$to" "$arch") file=$work/packages/$(nevra "$name" "${to#*:}" "$arch").rpm
    [ -e "$file" ] || refuse unfetched "$nevra"
    grep -qxF -- "$origin" <<< "$checked" || continue
    said=$(rpmkeys --root "$root" -Kv "$file")
    grep -qiE '(signature|OpenPGP).*, key (ID|fingerprint:?) [0-9a-f]+: OK$' <<< "$said" && ! grep -qE ': (NOKEY|NOTTRUSTED|BAD)$' <<< "$said" && continue
    key=$(sed -nE 's/.*, key (ID|fingerprint:?) ([0-9a-f]+): (NOKEY|NOTTRUSTED).*/\2/p' <<< "$said" | head -n 1)
    if [ -n "$key" ]; then
      said=$(dnf5 "${options[@]:2}" -C repo info --json "$origin" 2> /dev/null < /dev/null | tr -d '\n\134' | sed -nE 's/.*"gpg_key":\[ *"([^]]*)" *\].*/\1/p')
      refuse key "$nevra" "$key" "$said"
    fi
    refuse unsigned "$nevra" "no signature of a key that the machine has"
  done < <(tr '\t' '|' < "$work/set")
}
nevra() { local name=${1%"-$2"}; name=${name%"-${2#*:}"}; printf '%s-%s.%s' "$name" "$2" "$3"; }
# The set as a stored transaction, which replay takes as it is or not at all.
stored() {
  manage -C repoquery --installed --qf '%{name}|%{arch}|%{reason}\n' 2> /dev/null | awk -F '|' -v set="$work/set" '
    function one(name, version, arch, action, reason, repo, path, at) {
      at = length(name) - length(version)
      if (at > 0 && substr(name, at) == "-" version) name = substr(name, 1, at - 1)
      bare = version; sub(/^[0-9]+:/, "", bare)
      path = path == "" ? "" : ",\"package_path\":\"./packages/" name "-" bare "." arch ".rpm\""
      printf "%s{\"nevra\":\"%s-%s.%s\",\"action\":\"%s\",\"reason\":\"%s\",\"repo_id\":\"%s\"%s}", between, name, version, arch, action, reason, repo, path
      between = ",\n" }
    { reason[$1, $2] = $3 }
    END { print "{\"version\":\"1.0\",\"rpms\":["
      while ((getline line < set) > 0) {
        split(line, f, "\t")
        name = f[1]; at = length(name) - length(f[4])
        if (f[4] != "" && substr(name, at) == "-" f[4]) name = substr(name, 1, at - 1)
        why = (name, f[2]) in reason ? reason[name, f[2]] : f[3] != "" ? "User" : "Dependency"
        if (f[4] != "") one(f[1], f[4], f[2], f[3] == "" ? "Install" : "Upgrade", why, "@stored_transaction(" f[5] ")", "yes")
        if (f[3] != "") one(f[1], f[3], f[2], f[4] == "" && f[1] ~ ("-" f[3] "$") ? "Remove" : "Replaced", why, "@System", "")
      }
      print "\n]}" }' > "$work/transaction.json"
}
exact() { # whether replaying is the set and no more, in dnf's own words
  local errors; errors=$(mktemp)
  manage -C --assumeno replay "$work" > /dev/null 2> "$errors"
  why=$(problem "$errors"); rm -f "$errors"
  held=$(sed -nE "s/.*'([^']+)' matches only packages excluded by .*/\1/p" <<< "$why" | head -n 1)
  [ -z "$held" ] || refuse held "$held"
  [ -z "$why" ] || refuse differs "$(head -n 3 <<< "$why" | tr '\n\t' '  ')"
}
case $verb in
  refresh)
    errors=$(mktemp)
    manage --refresh makecache 2> >(tee "$errors" >&2) || { printf 'Unread\t%s\n' "$(grep -vE '^ |^$|^(Updating|Repositories)' "$errors" | head -n 3 | tr '\n\t' '  ')" >&2; exit 1; } ;;
  pending)
    resolved upgrade --best; whole=$why
    if [ -n "$whole" ]; then
      resolved upgrade --no-best
      [ -z "$why" ] || refuse unsolved "$(head -n 5 <<< "$whole" | tr -s '\n\t ' ' ')"
    fi
    shown=$(items "$table" 3>&1); [ -z "$shown" ] || printf '%s\n' "$shown" >&3
    upgrades=$(candidates)
    if [ -n "$whole" ]; then
      while IFS='|' read -r name arch evr repo; do
        awk -F '\t' -v name="$name" -v arch="$arch" '($2 == name || index($2, name "-") == 1) && $3 == arch { found = 1 } END { exit !found }' <<< "$shown" && continue
        was=$(rpms -q --qf '%{EVR}\n' "$name.$arch" | tail -n 1)
        about=$(awk -v name=" $name-" '
          /^ *Problem/ { if (index(all, name)) exit; all = text = "" }
          { all = all $0 " "; sub(/^ *(Problem( [0-9]+)?: *)?(- )?/, "")
            if ($0 !~ /^cannot install the best/) text = text (text == "" ? "" : "; ") $0 }
          END { if (index(all, name)) print text == "" ? all : text }' <<< "$whole")
        say Broken "$name" "$arch" "${was#0:}" "${evr#0:}" "$repo" '' '' '' "$(tr -s '\n\t ' ' ' <<< "${about:-$whole}" | head -c 300)"
      done <<< "$upgrades"
    fi
    comm -13 <(printf '%s\n' "$upgrades") <(candidates --setopt='disable_excludes=*') | while IFS='|' read -r name arch evr _; do say Held "$name" "$arch" "${evr#0:}"; done
    repositories; json ;;
  resolve)
    mapfile -t wanted < <(awk -F '\t' '$4 != "" { n = $1; at = length(n) - length($4); if (at > 0 && substr(n, at) == "-" $4) n = substr(n, 1, at - 1); print n "-" $4 "." $2 }')
    resolved install --best "${wanted[@]}"
    [ -z "$why" ] || refuse unsolved "$(head -n 5 <<< "$why" | tr -s '\n\t ' ' ')"
    items "$table"; json ;;
  advisories)
    json; rpms -qa --qf 'Is\t%{NAME}\t%{ARCH}\t%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\n' | grep -v gpg-pubkey >&3 ;;
  fetch)
    rm -rf "$work"; mkdir -p "$work/packages"; cat > "$work/set"
    while IFS='|' read -r name arch _ to _; do
      if [ -n "$to" ]; then nevra "$name" "$to" "$arch"; echo; fi
    done < <(tr '\t' '|' < "$work/set") > "$work/wanted"
    while read -r one; do
      # A package that is named and not there is a line in a table of others.
      [ -n "$(manage -C repoquery --available "$one" 2> /dev/null)" ] && continue
      [ -n "$(manage -C --setopt='disable_excludes=*' repoquery --available "$one" 2> /dev/null)" ] && refuse held "$one"
      refuse gone "$one"
    done < "$work/wanted"
    mapfile -t wanted < "$work/wanted"
    if [ ${#wanted[@]} -gt 0 ]; then
      errors=$(mktemp)
      manage -y download --destdir="$work/packages" "${wanted[@]}" 2> >(tee "$errors" >&2) || refuse download "$(grep -E 'Failed|Error|rror:|Cannot' "$errors" | head -n 3 | tr '\n\t' '  ')"
      for file in "$work"/packages/*.rpm; do
        plain=$work/packages/$(rpm -qp --nosignature --qf '%{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm' "$file" 2> /dev/null)
        [ "$file" = "$plain" ] || mv -- "$file" "$plain"
      done
    fi
    signed; stored; exact ;;
  apply)
    cmp -s - "$work/set" || refuse unfetched "the set"
    signed; exact; wait_for_rpm
    errors=$(mktemp)
    manage -C -y replay "$work" 2> >(tee "$errors" >&2); status=$?
    sync
    failed=$(grep -oE 'Error in [a-z%]+ scriptlet.*|Scriptlet failed.*|[Ss]criptlet .* failed.*|.*scriptlet failed, exit status.*' "$errors" | head -n 1)
    [ -z "$failed" ] || refuse script "$failed"
    [ $status = 0 ] || refuse failed "$(grep -vE '^ *$|^\[|^(Warning: skipped|Transaction failed|Running transaction|After this|Total size|Updating and|Repositories loaded)' "$errors" | tail -n 3 | tr '\n\t' '  ')" ;;
esac
say End
