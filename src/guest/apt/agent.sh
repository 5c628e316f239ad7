# shellcheck shell=bash
# Follows card.sh, and `get_apt`, which is apt.sh. Installs the agent at the one boot that cloud-init is given a seed for. $1: the
# proxy; $2, $3, $4: the MAC address of the card that leads to it, the address there, the proxy's; $5: what the image has as its
# machine id, where that is none yet. The address is given to the kernel alone, and the proxy to apt-get alone: neither outlasts
# this boot.
proxy=$1 mac=$2 address=$3 gateway=$4 machine=$5
say() {
  printf 'patchgate: %s\n' "$*"
  # Not all guests have a console there.
  { printf '\r\npatchgate: %s\r\n' "$*" > /dev/ttyS0; } 2> /dev/null || true
}
fail() { say "$1"; exit 1; }
tries=0
until name=$(card_of "$mac"); do
  [ $((tries += 1)) -lt 100 ] || fail "no card has the MAC address $mac"
  sleep 0.1
done
if [ -z "$(ip -4 -o address show dev "$name" to "$address/32")" ]; then
  say "$name has no address by itself, and is given $address for now"
  ip link set "$name" up
  ip address add "$address/32" dev "$name"
fi
[ -n "$(ip -4 route get "$gateway" oif "$name" 2> /dev/null)" ] || ip route replace "$gateway/32" dev "$name" src "$address"
options=(-o Acquire::Retries=2 -o APT::Keep-Downloaded-Packages=false)
say "reading the update sources through $proxy"
get_apt "$proxy" 600 "${options[@]}" update || fail "the update sources cannot be read"
say "installing qemu-guest-agent"
get_apt "$proxy" 600 "${options[@]}" -y --no-install-recommends install qemu-guest-agent || fail "qemu-guest-agent cannot be installed"
systemctl unmask qemu-guest-agent.service
# Some versions are started by udev, and have nothing to enable.
systemctl enable qemu-guest-agent.service
# It is not to be set up as another instance where some cloud's disk is found later.
: > /etc/cloud/cloud-init.disabled
case $machine in
  kept) ;;
  missing) rm -f /etc/machine-id ;;
  empty) : > /etc/machine-id ;;
  *) printf '%s\n' "$machine" > /etc/machine-id ;;
esac
sync
say "qemu-guest-agent is installed"
