# shellcheck shell=bash
# plant.sh NAME BASE CASE: puts the habit CASE into the disks of BASE, which are in /job under the name NAME.
name=$1 case=$3
root=/tmp/root
mkdir "$root"
loops=()
for disk in "/job/$name"*.raw; do
    loops+=("$(losetup --find --show --partscan "$disk")")
done
udevadm settle
if vgchange -ay system 2> /dev/null; then
    mount /dev/system/root "$root"
else
    mount "$(blkid -t TYPE=ext4 -o device "${loops[0]}"p*)" "$root"
fi
if esp=$(blkid -t LABEL=EFI -o device "${loops[0]}"p*); then
    mount "$esp" "$root/boot/efi"
fi

bash /guests/habits.sh "$case" "$root"

case $case in
    fstab-by-name)
        mkdir "$root/data"
        truncate -s 256M "/job/$name-data.raw"
        echo 'start=2048, type=83' | sfdisk -q "/job/$name-data.raw"
        data=$(losetup --find --show --partscan "/job/$name-data.raw")
        loops+=("$data")
        udevadm settle
        mkfs.ext4 -q "${data}p1"
        ;;
    name-of-the-old-card) rm "$root/etc/systemd/network/10-lan.link" ;;
    cloud-init-of-another-cloud) rm -rf "$root/var/lib/cloud/seed" ;;
    initramfs-without-virtio)
        for dir in dev proc sys; do
            mount --bind "/$dir" "$root/$dir"
        done
        chroot "$root" update-initramfs -u
        umount "$root/dev" "$root/proc" "$root/sys"
        ;;
esac

umount -R "$root"
vgchange -an 2> /dev/null || true
for loop in "${loops[@]}"; do
    losetup -d "$loop"
done
