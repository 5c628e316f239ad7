# shellcheck shell=bash
basics a
add qemu-guest-agent openssl grub-pc nginx-light
static_lan 52:54:00:15:00:0a 192.168.10.5
put /var/www/html/index.html <<< 'hello from a'
rm -f /var/www/html/index.nginx-debian.html
