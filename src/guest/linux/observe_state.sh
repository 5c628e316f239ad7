# shellcheck shell=bash
# shellcheck disable=SC2317,SC2329 # `section` calls functions by their names
# The node's state; follows observe_head.sh. Shell builtins where they do, since under TCG a fork is dear.
kernel() {
  read -r release < /proc/sys/kernel/osrelease && printf 'running %s\n' "$release"
  local images=(/boot/vmlinuz-*)
  (( ${#images[@]} == 0 )) || printf 'newest %s\n' "$(printf '%s\n' "${images[@]#/boot/vmlinuz-}" | sort -V | tail -n 1)"
}
# A process that ends meanwhile makes grep complain.
processes() { grep -sHE '^(Name|VmRSS):' /proc/[0-9]*/status || true; }
deleted() { grep -sHE '^[^ ]+ ..x. .* /.*\(deleted\)$' /proc/[0-9]*/maps || true; }
sick() { dmesg | { grep -E 'Oops|BUG:|WARNING: CPU|general protection|soft lockup|blocked for more than|Out of memory: Killed|Kernel panic' || true; }; }
dumps() {
  local pattern found=(/var/lib/systemd/coredump/* /var/crash/* /[c]ore /[c]ore.[0-9]*)
  read -r pattern < /proc/sys/kernel/core_pattern
  local folder=${pattern%/*}
  [[ $pattern != /* || $folder == *%* ]] || found+=("$folder"/*core*)
  (( ${#found[@]} == 0 )) || printf '%s\n' "${found[@]}"
}
firewall() {
  if there nft; then echo '= nft'; nft -s list ruleset || return; fi
  for ip in ip ip6; do
    # Old-style tables, which nft does not show; without nft all there is.
    if ! there nft || { read -r _ < "/proc/net/${ip}_tables_names"; } 2> /dev/null; then
      there "${ip}tables-save" || continue
      echo "= ${ip}tables"; "${ip}tables-save" || return
    fi
  done
}
# What `systemctl enable` and `mask` leave: it would take systemctl itself tens of seconds to say so on a loaded host.
enabled() { find /etc/systemd/system -type l -printf '%P %l\n'; }
errors() {
  journalctl -b -p err -q --no-pager --no-hostname -o short -n 5000 | awk '
    { text = substr($0, 17, 300); key = text; gsub(/[0-9a-fA-F]*[0-9][0-9a-fA-F]*/, "~", key)
      if (!(key in seen)) { seen[key] = 1; print text } }'
}
# A unit that is not loaded any more has no count left.
restarts() {
  systemctl show --property=Id --property=NRestarts -- '*.service' | awk -F= '
    $1 == "Id" { id = $2 } $1 == "NRestarts" { count = $2 }
    $0 == "" { if (count > 0) print id, count; id = ""; count = 0 } END { if (count > 0) print id, count }'
}
section kernel 4 kernel
section units 3000 systemctl list-units --plain --no-legend --no-pager --full --type=service,socket,timer,mount,swap,path,automount
section listening 1000 ss -H -l -n -t -u -p
section restarts 1000 restarts
section taint 1 cat /proc/sys/kernel/tainted
section sick 100 sick
section dumps 500 dumps
section memory 4 grep -E '^Mem(Total|Available):' /proc/meminfo
section processes 6000 processes
journals=(/run/log/journal/*/*.journal /var/log/journal/*/*.journal)
if (( ${#journals[@]} )); then section errors 300 errors; else absent errors 'there is no journal'; fi
if [[ ${2-} != late ]]; then
  section users 5000 cat /etc/passwd
  section groups 5000 cat /etc/group
  section mounts 500 cat /proc/self/mounts
  section disk 200 df -P -l -B 1048576 -x tmpfs -x devtmpfs -x overlay -x squashfs
  section boot 2 systemctl show --property=FinishTimestampMonotonic
  section deleted 1000 deleted
  if there nft || there iptables-save; then section firewall 3000 firewall; else absent firewall 'neither nft nor iptables-save is there'; fi
  section enabled 3000 enabled
fi
for unit in $(systemctl list-units --failed --plain --no-legend --no-pager | head -n 8 | cut -d' ' -f1); do
  section "log $unit" 50 journalctl -b -u "$unit" -n "$1" --no-pager -o cat
done
exit 0
