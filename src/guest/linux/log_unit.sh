# shellcheck shell=bash
journalctl --sync 2>/dev/null
if [ -n "$3" ] && [ "$2" = "$(cat /proc/sys/kernel/random/boot_id)" ]; then set -- "$1" --after-cursor="$3"; else set -- "$1" -b; fi
exec journalctl --no-pager -q -o short-iso -u "$1" "$2"
