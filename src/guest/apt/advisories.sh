# shellcheck shell=bash
# Why each package of the set is updated: the entries of its changelog (Debian policy 4.4, 12.7) above the installed version, from
# the archive that apt has fetched. $1: seconds that this may take; then NAME FROM TO ARCH of each, FROM being `-` where it is
# new. Packages of one source have one changelog: it is read from the smallest of them.
until=$((SECONDS + $1)); shift
eval "$(apt-config shell cache Dir::Cache::archives/d)"
cache=${cache:-/var/cache/apt/archives/}
declare -A source_of=() names=() olds=() smallest=() sizes=()
while read -r package source; do source_of["$package"]=$source; done < <(dpkg-query -W -f '${Package} ${source:Package}\n')
while [ $# -ge 4 ]; do
  name=${1%%:*} full=$1 from=$2 to=$3 arch=$4; shift 4
  file=$cache${name}_${to//:/%3a}_$arch.deb
  [ "$from" != - ] || continue
  size=$(stat -c %s "$file" 2> /dev/null) || continue
  source=${source_of["$name"]:-$name}
  names["$source"]+=" $full"
  if [ -z "${sizes["$source"]}" ] || [ "$size" -lt "${sizes["$source"]}" ]; then
    sizes["$source"]=$size olds["$source"]=$from smallest["$source"]=$file
  fi
done
# The small ones first: a kernel's takes longer than all others.
for source in "${!sizes[@]}"; do printf '%s %s\n' "${sizes["$source"]}" "$source"; done | sort -n | while read -r _ source; do
  left=$((until - SECONDS))
  [ $left -gt 0 ] || { echo "Late $source${names["$source"]}"; continue; }
  echo "Source $source${names["$source"]}"
  timeout "$left" dpkg-deb --fsys-tarfile "${smallest["$source"]}" 2> /dev/null |
    tar -xO --wildcards --no-anchored 'usr/share/doc/*/changelog.Debian.gz' 'usr/share/doc/*/changelog.gz' 2> /dev/null |
    zcat 2> /dev/null | head -n 3000 | while IFS= read -r line; do
      case $line in
        "$source ("*)
          version=${line#*\(} version=${version%%)*}
          dpkg --compare-versions "$version" gt "${olds["$source"]}" || break
          ;;
      esac
      printf '| %s\n' "${line:0:400}"
    done | head -n 600
done
exit 0
