# shellcheck shell=bash
basics uefi-secure
add qemu-guest-agent openssl dosfstools grub-efi-amd64 grub-efi-amd64-signed shim-signed
ifupdown_dhcp
