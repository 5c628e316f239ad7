# shellcheck shell=bash
# Follows card.sh, unmanaged.sh, configured.sh and called.sh. $1: the MAC address of the card to the outlet; $2: its address there;
# $3: the host's, the only one that is reached over it.
mac=$1 address=$2 gateway=$3 managed=
fail() { printf '%s\n' "$1" >&2; exit 1; }
tries=0
until name=$(card_of "$mac"); do
  [ $((tries += 1)) -lt 100 ] || fail "no card has the MAC address $mac: the guest gives its card to the outlet another one"
  sleep 0.1
done
own=$(ip -4 -o address show to "$gateway/32" | awk '{ print $2; exit }')
[ -z "$own" ] || fail "its own card $own has the address $gateway, which is the host's on the outlet of this run; run again, with another outlet"
if unmanaged "$mac" "$name"; then managed=1; fi
if it=$(called "$name"); then
  read -r own is was by <<< "$it"
  rename "$own" "$is" "$was" "$by"
fi
addresses() { ip -4 -o address show dev "$name" | awk '{ printf "%s%s", before, $4; before = " " }'; }
is_so() { has=$(addresses); [ "$has" = "$address/32" ] && [ -n "$(ip -4 route show "$gateway" dev "$name")" ]; }
give() {
  [ ! -e "/proc/sys/net/ipv6/conf/$name/disable_ipv6" ] || echo 1 > "/proc/sys/net/ipv6/conf/$name/disable_ipv6"
  ip link set "$name" up
  ip -4 address flush dev "$name"
  ip address add "$address/32" dev "$name" && ip route replace "$gateway/32" dev "$name" src "$address"
}
# Who manages it lets go of it in its own time.
tries=0 held=0
until [ $held = 2 ]; do
  if is_so; then
    held=$((held + 1))
  else
    held=0
    [ $((tries += 1)) -le 10 ] || fail "the guest moves the address of its card to the outlet: $name has ${has:-none}, and was given $address"
    give
  fi
  [ -z "$managed" ] || [ $held = 2 ] || sleep 1
done
exit 0
