# shellcheck shell=bash
basics lvm-two-disks
add qemu-guest-agent openssl grub-pc lvm2
ifupdown_dhcp
# On a slow host the initramfs would else end its udev while that sets up the second volume group.
put /etc/initramfs-tools/scripts/local-bottom/settle <<'SCRIPT'
#!/bin/sh
[ "$1" != prereqs ] || exit 0
udevadm settle --timeout=60
SCRIPT
chmod 755 /etc/initramfs-tools/scripts/local-bottom/settle
