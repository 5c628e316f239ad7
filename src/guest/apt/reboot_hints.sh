# shellcheck shell=bash
[ -e /run/reboot-required ] && echo "flag $(tr '\n' ' ' < /run/reboot-required.pkgs 2>/dev/null)"
echo "running $(uname -r)"
for link in /vmlinuz /boot/vmlinuz; do
  [ -L $link ] && next=$(readlink -f $link 2>/dev/null) && echo "next ${next#/boot/vmlinuz-}" && break
done
sed -snE 's|^[^ ]+ ..(.). [^ ]+ [^ ]+ [^ ]+ +(/.*) \(deleted\)$|stale \1 \2|p' /proc/[0-9]*/maps 2>/dev/null | sort -u | head -n 500
# What the next boot loads, written since this boot began: kernels' and loaders' own files, initramfs, modules of dkms.
btime=$(sed -n 's/^btime //p' /proc/stat)
since() { local at=$1; shift; find "$@" -type f -newerct "@$at" -print -quit 2>/dev/null; }
for folder in /boot /lib/modules/; do
  file=$(since "$btime" "$folder" ! -name 'grubenv*' ! -name 'modules.*') && [ -n "$file" ] && echo "boot $file"
done
# What an interpreter has read is mapped nowhere: programs and libraries that were written after a process began.
ticks=$(getconf CLK_TCK)
declare -A began=() libraries=()
oldest() { local -n of=$1; [ -n "${of["$2"]}" ] && [ "${of["$2"]}" -le "$3" ] || of["$2"]=$3; }
while read -r pid exe; do
  { IFS= read -r -d '' line; mapfile -d '' -t -n 4 args < "$pid/cmdline"; } 2>/dev/null < "$pid/stat"
  read -r -a fields <<< "${line##*) }"
  start=$((btime + ${fields[19]:-0} / ticks))
  for arg in "${args[@]}"; do
    case $arg in
      # What programs write themselves while they run.
      /run/*|/var/run/*|/var/lock/*|/var/log/*|/var/tmp/*|/tmp/*|/dev/*|/proc/*|/sys/*) ;;
      /*) oldest began "$arg" "$start" ;;
    esac
  done
  exe=${exe% (deleted)}
  case ${exe##*/} in
    python3*|perl*|ruby*|php*|node*|java) oldest libraries "${exe##*/}" "$start" ;;
  esac
done < <(find /proc/[0-9]*/exe -printf '%h %l\n' 2>/dev/null | grep ' /')
for program in "${!libraries[@]}"; do
  case $program in
    python3*) set -- /usr/lib/python3 "/usr/lib/$program" /usr/local/lib/python3* ;;
    perl*) set -- /usr/share/perl5 /usr/share/perl /usr/lib/*/perl5 /usr/lib/*/perl /usr/lib/*/perl-base ;;
    ruby*) set -- /usr/lib/ruby /usr/share/rubygems-integration /var/lib/gems ;;
    php*) set -- /usr/share/php ;;
    node*) set -- /usr/share/nodejs /usr/lib/nodejs ;;
    java) set -- /usr/share/java /usr/share/maven-repo ;;
  esac
  file=$(since "${libraries["$program"]}" "$@" ! -name '*.pyc') && [ -n "$file" ] && echo "read $program $file"
done
(( ${#began[@]} == 0 )) || find "${!began[@]}" -maxdepth 0 -type f -printf '%C@ %p\n' 2>/dev/null | while read -r at path; do
  [ "${at%.*}" -gt "${began["$path"]:-0}" ] && echo "read it $path"
done
echo "end"
exit 0
