# shellcheck shell=bash
# shellcheck disable=SC2317,SC2329 # `section` calls functions by their names
# What a guest is that nobody has asked before; follows observe_head.sh and configured.sh. Nothing of it writes anything.
release() { cat /etc/os-release 2> /dev/null || cat /usr/lib/os-release; }
kernel() { read -r release < /proc/sys/kernel/osrelease && printf '%s\n' "$release"; }
machine() { cat /etc/machine-id 2> /dev/null || true; }
active() { [[ $(systemctl is-active "$1.service" 2> /dev/null) = active ]]; }
# SELinux keeps the agent's commands from most of the system, unless this one of its booleans is on (qemu-ga's policy).
confined() {
  there getenforce || return 0
  printf 'SELinux is %s\n' "$(getenforce | tr '[:upper:]' '[:lower:]')"
  ! there getsebool || getsebool virt_qemu_ga_run_unconfined 2> /dev/null | sed 's/ *--> */ is /' || true
  local context
  IFS= read -r -d '' context < /proc/self/attr/current || true
  [[ -z $context ]] || printf 'context %s\n' "${context%$'\n'}"
}
agent() {
  local files=(/etc/qemu/qemu-ga.conf /etc/sysconfig/qemu-ga /etc/default/qemu-guest-agent)
  grep -sHE '^[[:space:]]*(block-rpcs|allow-rpcs|blacklist|BLACKLIST_RPC|FILTER_RPC_ARGS|DAEMON_ARGS)[[:space:]]*=' "${files[@]}" || true
}
network() {
  local unit
  for unit in systemd-networkd NetworkManager networking wicked network dhcpcd connman; do
    ! active "$unit" || printf '%s\n' "${unit#systemd-}"
  done
  local plans=(/etc/netplan/*.yaml /run/netplan/*.yaml /usr/lib/netplan/*.yaml)
  (( ${#plans[@]} == 0 )) || echo netplan
  local made=(/etc/netplan/50-cloud-init.yaml /etc/network/interfaces.d/50-cloud-init* /etc/systemd/network/10-cloud-init-*
    /etc/NetworkManager/system-connections/cloud-init-*)
  for unit in "${made[@]}"; do
    [[ ! -e $unit ]] || { echo cloud-init; break; }
  done
}
cards() {
  local card mac
  for card in /sys/class/net/*; do
    [[ -e $card/device ]] || continue
    read -r mac < "$card/address" && printf 'card %s %s\n' "${card##*/}" "$mac"
  done
  ip -o address show scope global | awk '{ print "address", $2, $4 }'
}
cloud() {
  there cloud-init || [[ -d /var/lib/cloud ]] || return 0
  echo installed
  local text
  { read -r text < /var/lib/cloud/data/instance-id; } 2> /dev/null && printf 'instance %s\n' "$text"
  { read -r text < /var/lib/cloud/instance/datasource; } 2> /dev/null && printf 'source %s\n' "${text%%:*}"
  [[ ! -e /etc/cloud/cloud-init.disabled ]] || echo disabled
}
reboot() {
  local file
  for file in /run/reboot-required /run/reboot-needed /boot/do_purge_kernels; do
    [[ ! -e $file ]] || printf '%s is there\n' "$file"
  done
  ! there needs-restarting || timeout 30 needs-restarting -r > /dev/null 2>&1 || [[ $? != 1 ]] || echo 'needs-restarting says so'
}
failed() { systemctl list-units --failed --plain --no-legend --no-pager --full | cut -d' ' -f1; }
by_place() { grep -sE '^[[:space:]]*/dev/([hsv]|xv)d[a-z]' /etc/fstab || true; }
locale() {
  local files=(/etc/locale.conf /etc/default/locale /etc/sysconfig/i18n)
  { cat "${files[@]}" 2> /dev/null || true; } | sed -nE 's/^(LC_ALL|LANG)=//p' | tr -d "\"'" | sed -n 1p
}
zone() {
  local link
  link=$(readlink /etc/localtime) && { printf '%s\n' "${link##*zoneinfo/}"; return; }
  cat /etc/timezone 2> /dev/null || true
}
# What of the drivers for a clone's disk and card the kernel has in itself, or in what it is loaded with.
drivers() {
  local release image found
  read -r release < /proc/sys/kernel/osrelease
  sed -nE 's@.*/(virtio_[a-z]+|nvme|ahci)\.ko.*@\1@p' "/lib/modules/$release/modules.builtin" 2> /dev/null
  for image in "/boot/initrd.img-$release" "/boot/initramfs-$release.img" "/boot/initrd-$release" /boot/initramfs-linux.img; do
    [[ -f $image ]] || continue
    if there lsinitramfs; then found=$(timeout 90 lsinitramfs "$image") || return
    elif there lsinitrd; then found=$(timeout 90 lsinitrd "$image") || return
    else return 3; fi
    sed -nE 's@.*/(virtio_[a-z]+|virtio-[a-z]+|nvme|ahci)\.ko.*@\1@p' <<< "$found"
    return 0
  done
}
firewalls() {
  local unit rules ip
  for unit in firewalld ufw nftables iptables netfilter-persistent; do
    ! active "$unit" || printf '%s\n' "$unit"
  done
  if there nft; then
    rules=$(nft -s list ruleset 2> /dev/null | grep -cE '(accept|drop|reject|jump|queue)') || true
    [[ ${rules:-0} = 0 ]] || printf 'nft, %s rules\n' "$rules"
    return 0
  fi
  for ip in ip ip6; do
    there "${ip}tables-save" || continue
    rules=$("${ip}tables-save" 2> /dev/null | grep -c '^-A') || true
    [[ ${rules:-0} = 0 ]] || printf '%stables, %s rules\n' "$ip" "$rules"
  done
}
section release 60 release
section kernel 1 kernel
section machine 1 machine
section confined 10 confined
section agent 40 agent
section managers 20 managers
section sources 200 sources
section network 20 network
section cards 300 cards
section configured 200 configured
section cloud 10 cloud
section reboot 10 reboot
section failed 100 failed
section disk 200 df -P -l -B 1048576 -x tmpfs -x devtmpfs -x overlay -x squashfs -x efivarfs
section by_place 100 by_place
section locale 1 locale
section zone 1 zone
section drivers 100 drivers
section firewalls 20 firewalls
exit 0
