# shellcheck shell=sh
exec chroot "$@"
