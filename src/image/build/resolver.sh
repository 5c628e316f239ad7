# shellcheck shell=sh
# This machine's resolver: the tree's own resolv.conf is empty until the guest boots.
for file in resolv.conf hosts; do mount --bind "/etc/$file" "$1/etc/$file"; done
