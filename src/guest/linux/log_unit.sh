# shellcheck shell=bash
journalctl --sync 2>/dev/null
case $1 in *.*) unit=$1 ;; *) unit=$1.service ;; esac
# A unit that is gone may have left lines; one that never was can have none.
if [ "$(systemctl show --property=LoadState --value -- "$unit" 2>/dev/null)" = not-found ] &&
  [ -z "$(journalctl --no-pager -q -n 1 -o cat -u "$1" 2>/dev/null)" ]; then
  echo "there is no unit $1" >&2; exit 4
fi
if [ -n "$3" ] && [ "$2" = "$(cat /proc/sys/kernel/random/boot_id)" ]; then set -- "$1" --after-cursor="$3"; else set -- "$1" -b; fi
exec journalctl --no-pager -q -o short-iso -u "$1" "$2"
