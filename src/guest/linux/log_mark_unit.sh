# shellcheck shell=bash
echo "boot $(cat /proc/sys/kernel/random/boot_id)"
journalctl --no-pager -q -n 1 -o cat --show-cursor | sed -n 's/^-- cursor: /cursor /p' | tail -n 1
