# shellcheck shell=bash
# Follows configured.sh. `called OUTLET`: prints `MAC NAME NEW BY` where exactly one name of a card is configured, by BY, that no card
# has, and exactly one card but the one to the outlet is nobody's: then it had that name where the guest comes from.
called() (
  shopt -s nullglob
  names=$(configured | sort -u -k2,2)
  # Whoever matches cards by patterns may have that one.
  [[ $names != *[*?!]* ]] || return 1
  gone=()
  while read -r by name; do
    # Others than these are made by configurations.
    [[ $name =~ ^(eth[0-9]+|en[a-z0-9]+|lan[0-9]*|wan[0-9]*|net[0-9]+)$ ]] || continue
    [ -e "/sys/class/net/$name" ] || gone+=("$name $by")
  done <<< "$names"
  [ ${#gone[@]} = 1 ] || return 1
  free=()
  for dir in /sys/class/net/*; do
    card=${dir##*/}
    if [ ! -e "$dir/device" ] || [ -e "$dir/master" ] || [ "$card" = "$1" ]; then continue; fi
    if [ -n "$(ip -4 -o address show dev "$card")" ] || grep -q " $card$" <<< "$names"; then continue; fi
    # networkd may match it by its kind.
    case $(networkctl --no-pager --no-legend list "$card" 2> /dev/null) in *configur*|*routable*|*degraded*) continue ;; esac
    free+=("$card")
  done
  [ ${#free[@]} = 1 ] || return 1
  read -r mac < "/sys/class/net/${free[0]}/address"
  printf '%s %s %s\n' "$mac" "${free[0]}" "${gone[0]}"
)
# `rename MAC NAME NEW BY`: the card gets the name now, and by a link file at each boot (systemd.link(5)).
rename() {
  mkdir -p /etc/systemd/network
  printf '[Match]\nMACAddress=%s\n[Link]\nName=%s\n' "$1" "$3" > /etc/systemd/network/00-patchgate.link
  ip link set "$2" down
  ip link set "$2" name "$3"
  ip link set "$3" up
  case $4 in
    networkd) networkctl reload && networkctl reconfigure "$3" ;;
    NetworkManager) nmcli -w 30 device connect "$3" ;;
    ifupdown) timeout 60 ifup "$3" ;;
    ifcfg) if command -v wicked; then timeout 60 wicked ifup "$3"; else timeout 60 ifup "$3"; fi ;;
  esac > /dev/null 2>&1 || true
}
