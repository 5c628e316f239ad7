# shellcheck shell=bash
# Follows card.sh. $1 $2: the proxy's address and port; $3: a name that must not resolve; then `card MAC`, the node's card to the
# outlet; `wire MAC`, its cards on a wire that carries its own network; and targets: tcp/ADDRESS/PORT and udp/ADDRESS/PORT, which
# must be silent, `refused METHOD ADDRESS`, which the proxy must not let through, `source METHOD ADDRESS`, which it must.
gateway=$1 port=$2 name=$3; shift 3
mac='' out='' wires=() targets=() routes=() silent=''
for target in "$@"; do
  case $target in
    card\ *) mac=${target#card } ;;
    wire\ *) wire=$(card_of "${target#wire }") && wires+=("$wire") || echo "lost ${target#wire }" ;;
    tcp/*|udp/*) targets+=("$target") ;;
  esac
done
if [ ${#wires[@]} = 0 ]; then
  ip route add default via "$gateway" metric 4242 2>/dev/null
else
  # Its own routes lead onto the wire; what is tried here is the outlet.
  out=$(card_of "$mac") || echo "lost $mac"
  for target in "${targets[@]}"; do
    address=${target#*/} address=${address%/*}
    [ "$address" = "$gateway" ] || ! ip route add "$address/32" via "$gateway" dev "$out" onlink 2>/dev/null || routes+=("$address/32")
  done
  # Whom its own settings name is spoken to, so that whoever is there answers.
  { ip -4 route show | sed -nE 's/.* via ([0-9.]+).*/\1/p'
    ip -6 route show | sed -nE 's/.* via ([0-9a-f:]+) dev ([^ ]+).*/\1%\2/p'
    sed -nE 's/^nameserver +([0-9.]+) *$/\1/p' /etc/resolv.conf /run/systemd/resolve/resolv.conf /run/NetworkManager/no-stub-resolv.conf
    awk '$1 ~ /^[0-9.]+$/ { print $1 }' /etc/hosts
  } 2>/dev/null | sort -u | head -n 200 | while read -r address; do
    case $address in 127.*|0.*|"$gateway") ;; *) echo patchgate > "/dev/udp/$address/9" ;; esac
  done 2>/dev/null
  sleep 2 &
fi
for target in "${targets[@]}"; do
  case $target in
    tcp/*) timeout 4 bash -c "exec 3<>/dev/$target" 2>/dev/null && echo "open $target" ;;
    udp/*) echo patchgate > "/dev/$target" ;;
  esac &
done 2>/dev/null
[ -n "$name" ] && timeout 10 getent hosts "$name" >/dev/null && echo "resolves $name"
wait
for route in "${routes[@]}"; do ip route del "$route" dev "$out" 2>/dev/null; done
[ ${#wires[@]} != 0 ] || ip route del default via "$gateway" metric 4242 2>/dev/null
# A card and what stands on it: bonds, bridges, VLANs.
stack() {
  local up
  printf '%s\n' "$1"
  for up in /sys/class/net/"$1"/upper_*; do [ ! -e "$up" ] || stack "${up##*/upper_}"; done
}
for wire in "${wires[@]}"; do
  heard=$(bridge fdb show dev "$wire" 2>/dev/null)
  for dev in $(stack "$wire" | sort -u); do
    ip neigh show dev "$dev" nud reachable nud stale nud delay nud probe | while read -r address said; do
      other=${said#*lladdr }; other=${other%% *}
      # Behind a bridge there may be guests of the guest's own, which are not on the wire.
      [ "$said" != "${said#*lladdr }" ] || continue
      [ ! -d "/sys/class/net/$dev/bridge" ] || [[ $heard == *"$other"* ]] || continue
      echo "neighbour $address $other"
    done
  done
done
ask() {
  exec 3<>"/dev/tcp/$gateway/$port" || { silent=1; echo "$1 silent"; return; }
  printf '%s %s HTTP/1.0\r\n\r\n' "$2" "$3" >&3
  read -t 60 -r _ status _ <&3 || status=silent
  while read -t 10 -r header <&3; do
    case $header in X-Squid-Error:*|x-squid-error:*) status="squid ${header#*: }" ;; $'\r'|'') break ;; esac
  done
  exec 3>&-
  echo "$1 ${status%$'\r'}"
}
for target in "$@"; do
  case $target in
    refused\ *|source\ *) read -r key method address <<< "$target"; ask "$key" "$method" "$address" ;;
  esac
done 2>/dev/null
ask unlisted HEAD "$0" 2>/dev/null
if [ -n "$silent" ] && [ -n "$mac" ]; then
  if out=$(card_of "$mac"); then
    echo "has $(ip -4 -o address show dev "$out" | awk '{ print $4 }' | tr '\n' ' ')"
  else
    echo "lost $mac"
  fi
fi
exit 0
