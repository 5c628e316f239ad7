# shellcheck shell=sh
# The kernel's file systems in the tree `$1`. PostgreSQL wants `/dev/shm`, package managers a pseudo-terminal.
mount -t proc proc "$1/proc"
mount -t sysfs -o ro sysfs "$1/sys"
mkdir -p "$1/dev/shm" "$1/dev/pts"
mount -t tmpfs tmpfs "$1/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$1/dev/pts"
mount -t tmpfs -o mode=0755 tmpfs "$1/run"
mkdir -m 1777 "$1/run/lock"
