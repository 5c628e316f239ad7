# shellcheck shell=bash
basics b
add qemu-guest-agent openssl grub-pc curl
static_lan 52:54:00:15:00:0b 192.168.10.6
