# shellcheck shell=bash
set -e
clock=$1 seed=$2 id=$3; shift 3
# Which machine it stands for, where it may ask later: nobody's, where that was made in the boot that was saved.
if [ ! -e /run/patchgate/machine-id ]; then
  mkdir -p /run/patchgate
  made=$(stat -c %Y /etc/machine-id 2> /dev/null || echo 0)
  if [ "$made" -lt "$(sed -n 's/^btime //p' /proc/stat)" ]; then cat /etc/machine-id; fi > /run/patchgate/machine-id
fi
date -u -s "@$clock" > /dev/null
perl -e '
  my $seed = pack "H*", $ARGV[0];
  open my $random, "+<", "/dev/urandom" or die "/dev/urandom: $!\n";
  ioctl $random, 0x40085203, pack("ii", 8 * length $seed, length $seed) . $seed or die "RNDADDENTROPY: $!\n";
  ioctl $random, 0x5207, 0 or die "RNDRESEEDCRNG: $!\n";
' "$seed"
read -r old < /etc/machine-id || true
printf '%s\n' "$id" > /etc/machine-id
[ ! -f /var/lib/dbus/machine-id ] || [ -L /var/lib/dbus/machine-id ] || printf '%s\n' "$id" > /var/lib/dbus/machine-id
for dir in /var/log/journal /run/log/journal; do
  [ -z "$old" ] || [ ! -d "$dir/$old" ] || mv "$dir/$old" "$dir/$id"
done
keys=
for key in /etc/ssh/ssh_host_*_key; do
  [ -f "$key" ] || continue
  kind=${key#/etc/ssh/ssh_host_}; rm -f "$key" "$key.pub"
  ssh-keygen -q -t "${kind%_key}" -N '' -C "root@$(cat /etc/hostname)" -f "$key"
  keys=1
done
[ -z "$keys" ] || systemctl try-reload-or-restart ssh.service
cards=()
for dir in /sys/class/net/*; do
  [ "$(readlink "$dir/device/driver" 2> /dev/null)" ] || continue
  read -r is < "$dir/address"
  case " $* " in *" $is "*) continue ;; esac
  driver=$(readlink -f "$dir/device/driver"); [ "${driver##*/}" = virtio_net ] || continue
  card=$(readlink -f "$dir/device"); name=${dir##*/} up=
  # Up as what: `auto /en*=lan` calls it by a name that is no card's (interfaces(5)).
  if command -v ifdown > /dev/null; then
    up=$(ifquery --state "$name" 2> /dev/null || true)
    [ -n "$up" ] || ! ifquery "$name" > /dev/null 2>&1 || up=$name
    [ -z "$up" ] || ifdown --force "$name" > /dev/null 2>&1 || true
  fi
  cards+=("${card##*/} $name $up")
done
for card in "${cards[@]}"; do echo "${card%% *}" > /sys/bus/virtio/drivers/virtio_net/unbind; done
for card in "${cards[@]}"; do
  read -r device name up <<< "$card"
  echo "$device" > /sys/bus/virtio/drivers/virtio_net/bind
  tries=0
  while [ ! -e "/sys/class/net/$name" ] && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
  [ -z "$up" ] || ifup --force "$up" > /dev/null 2>&1
done
