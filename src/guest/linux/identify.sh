# shellcheck shell=bash
# Follows card.sh and unmanaged.sh.
set -e
name=$1 mac=$2 address=$3; shift 3
printf '%s\n' "$name" > /etc/hostname
printf '%s' "$name" > /proc/sys/kernel/hostname
hosts=$(sed '/# patchgate$/d' /etc/hosts 2>/dev/null || true)
printf '%s\n' "$hosts" > /etc/hosts
for line in "$@"; do printf '%s # patchgate\n' "$line"; done >> /etc/hosts
[ -n "$mac" ] || exit 0
mkdir -p /etc/patchgate /etc/systemd/system/multi-user.target.wants
printf '%s # patchgate\n' "$@" > /etc/patchgate/hosts
printf 'mac=%s\naddress=%s\n' "$mac" "$address" > /etc/patchgate/network
cat >> /etc/patchgate/network <<'END'
# Whoever configures every card that it finds would wait for DHCP on this one, where nobody answers; it starts later.
mkdir -p /run/systemd/network
printf '[Match]\nMACAddress=%s\n[Link]\nUnmanaged=yes\n' "$mac" > /run/systemd/network/00-patchgate.network
if [ -d /etc/NetworkManager ]; then
  mkdir -p /run/NetworkManager/conf.d
  printf '[device-patchgate]\nmatch-device=mac:%s\nmanaged=0\n' "$mac" > /run/NetworkManager/conf.d/00-patchgate.conf
fi
# Something may have written the host table anew at this boot.
while IFS= read -r line; do
  grep -qxF "$line" /etc/hosts || printf '%s\n' "$line" >> /etc/hosts
done < /etc/patchgate/hosts
tries=0
while [ $tries -lt 100 ]; do
  for dir in /sys/class/net/*; do
    read -r is 2>/dev/null < "$dir/address" || continue
    if [ "$is" = "$mac" ]; then
      ip link set "${dir##*/}" up
      exec ip address replace "$address" dev "${dir##*/}"
    fi
  done
  tries=$((tries + 1))
  sleep 0.1
done
exit 1
END
cat > /etc/systemd/system/patchgate-network.service <<'END'
[Unit]
Description=Address in the network of the cell
DefaultDependencies=no
After=local-fs.target
Before=network-pre.target
Wants=network-pre.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh /etc/patchgate/network
END
ln -sf ../patchgate-network.service /etc/systemd/system/multi-user.target.wants/
/bin/sh /etc/patchgate/network
# Who managed the card lets go of it in its own time, with its addresses.
if card=$(card_of "$mac") && unmanaged "$mac" "$card"; then
  for _ in 1 2 3; do
    sleep 1
    [ -n "$(ip -4 -o address show to "${address%/*}/32")" ] || /bin/sh /etc/patchgate/network
  done
fi
