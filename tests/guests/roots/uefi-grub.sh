# shellcheck shell=bash
basics uefi-grub
add qemu-guest-agent openssl dosfstools grub-efi-amd64
ifupdown_dhcp
