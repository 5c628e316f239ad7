# shellcheck shell=bash
inode=$(stat -L -c %i -- "$1" 2>/dev/null)
if [ -n "$2" ] && [ "$2" != "$inode" ]; then
  old=$(find "${1%/*}/" -maxdepth 1 -inum "$2" -type f 2>/dev/null | head -n 1)
  if [ -n "$old" ]; then
    from=$(($3 + 1))
    [ "$(stat -L -c %s -- "$old")" -ge "$3" ] || from=1
    tail -c "+$from" -- "$old"
  fi
  [ -n "$inode" ] || [ -z "$old" ] || exit 0
fi
[ -n "$inode" ] || { echo "there is no file $1" >&2; exit 4; }
if [ "$2" = "$inode" ] && [ "$(stat -L -c %s -- "$1")" -ge "$3" ]; then exec tail -c "+$(($3 + 1))" -- "$1"; fi
exec cat -- "$1"
