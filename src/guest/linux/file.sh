# shellcheck shell=bash
if [ -e "$1" ]; then stat -L -c '%a %U %F' -- "$1"; [ -d "$1" ] || cat -- "$1"; else echo absent; fi
