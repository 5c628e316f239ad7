#!/bin/bash
# The first process of User-mode Linux, whose root is the tree with the tools. Runs /job/run as a machine with udev would.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mountpoint -q /dev || mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
mount -t tmpfs -o size=90% tmpfs /tmp
mkdir -p /run/lock
mount -t hostfs -o /usr/lib/uml/modules none /lib/modules
# `job`, `guests`: from the kernel's command line.
mount -t hostfs -o "${job:?}" none /job
mount -t hostfs -o "${guests:?}" none /guests
modprobe -a loop dm-mod vfat nls_ascii nls_cp437 overlay
/lib/systemd/systemd-udevd --daemon
udevadm trigger
udevadm settle
ip link set lo up
(cd /job && bash -euo pipefail ./run) > /job/log 2>&1 < /dev/null
echo $? > /job/status
sync
echo o > /proc/sysrq-trigger
sleep 60
