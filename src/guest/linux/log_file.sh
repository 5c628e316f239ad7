# shellcheck shell=bash
[ -e "$1" ] || exit 0
if [ "$2" = "$(stat -L -c %i -- "$1")" ]; then
  if [ "$(stat -L -c %s -- "$1")" -ge "$3" ]; then exec tail -c "+$(($3 + 1))" -- "$1"; fi
elif [ -n "$2" ]; then
  old=$(find "${1%/*}/" -maxdepth 1 -inum "$2" -type f 2>/dev/null | head -n 1)
  [ -z "$old" ] || tail -c "+$(($3 + 1))" -- "$old"
fi
exec cat -- "$1"
