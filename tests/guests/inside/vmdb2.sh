# shellcheck shell=bash
# vmdb2.sh NAME PLAN: makes /job/NAME*.raw from /job/tree.tar by /guests/PLAN.vmdb.
name=$1 plan=$2
mkdir /tmp/out
vmdb2 --verbose --log /job/vmdb2.log --rootfs-tarball /job/tree.tar --output "/tmp/out/$name.raw" "/guests/$plan.vmdb"
for disk in /tmp/out/*.raw; do
    cp --sparse=always "$disk" "/job/${disk##*/}"
done
