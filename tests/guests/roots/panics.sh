# shellcheck shell=bash
# The kernel panics at boot where /etc/panic-at-boot exists: the initramfs looks for it on the mounted root.
basics panics
add qemu-guest-agent openssl grub-pc
ifupdown_dhcp
put /etc/initramfs-tools/scripts/local-bottom/panic <<'SCRIPT'
#!/bin/sh
[ "$1" != prereqs ] || exit 0
if [ -e "${rootmnt}/etc/panic-at-boot" ]; then
    echo c > /proc/sysrq-trigger
fi
SCRIPT
chmod 755 /etc/initramfs-tools/scripts/local-bottom/panic
