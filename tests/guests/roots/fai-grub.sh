# shellcheck shell=bash
basics fai-grub
add qemu-guest-agent openssl grub-pc
ifupdown_dhcp
