# shellcheck shell=bash
# `unmanaged MAC NAME`: whatever manages the guest's network now is told that the card is none of its own, until the next boot; what
# stands in /etc is left as it is. Fails where nothing manages it.
unmanaged() {
  local told=1
  # The first file that matches a card is the one that counts (systemd.network(5)).
  if systemctl -q is-active systemd-networkd.service; then
    told=0
    mkdir -p /run/systemd/network
    printf '[Match]\nMACAddress=%s\n[Link]\nUnmanaged=yes\n' "$1" > /run/systemd/network/00-patchgate.network
    networkctl reload
  fi
  # For the time when it is started anew (NetworkManager.conf(5)), and for now (nmcli(1)).
  if systemctl -q is-active NetworkManager.service; then
    told=0
    mkdir -p /run/NetworkManager/conf.d
    printf '[device-patchgate]\nmatch-device=mac:%s\nmanaged=0\n' "$1" > /run/NetworkManager/conf.d/00-patchgate.conf
    nmcli general reload conf
    nmcli device set "$2" managed no
  fi
  return $told
}
