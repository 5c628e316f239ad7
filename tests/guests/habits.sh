#!/bin/bash
# habits.sh CASE ROOT: puts what production servers bring with them into a mounted root tree.
set -euo pipefail
habit=$1 root=$2

# has FILE LINE...: the tree has this file.
has() {
    local file=$root$1
    shift
    mkdir -p "${file%/*}"
    printf '%s\n' "$@" > "$file"
}

static() {
    has /etc/systemd/network/10-lan.network '[Match]' "Name=$1" '[Network]' 'Address=192.168.10.5/24' 'Gateway=192.168.10.1'
}

case $habit in
    fstab-by-name)
        has /etc/fstab '/dev/sda2 / ext4 errors=remount-ro 0 1' '/dev/sda1 /boot/efi vfat umask=0077 0 1' \
            '/dev/sdb1 /data ext4 defaults 0 2'
        ;;
    name-of-the-old-card) static ens192 ;;
    card-by-mac)
        has /etc/systemd/network/10-lan.link '[Match]' 'MACAddress=00:50:56:aa:bb:02' '[Link]' 'Name=lan0'
        static lan0
        ;;
    cloud-init-of-another-cloud)
        instance=/var/lib/cloud/instances/iid-vmware-42041d3e
        has /var/lib/cloud/data/instance-id iid-vmware-42041d3e
        has "$instance/datasource" 'DataSourceVMware: DataSourceVMware [seed=guestinfo]'
        ln -sfn "$instance" "$root/var/lib/cloud/instance"
        has /etc/cloud/cloud.cfg.d/90-dpkg.cfg 'datasource_list: [ VMware, Ec2, None ]'
        ;;
    agent-allows-few)
        has /etc/qemu/qemu-ga.conf '[general]' \
            "allow-rpcs = $(printf 'guest-%s,' sync-delimited sync ping info fsfreeze-status fsfreeze-freeze fsfreeze-thaw)guest-get-osinfo"
        ;;
    # Debian 12's agent does not know `allow-rpcs`; it heeds this.
    agent-blocks-exec) has /etc/qemu/qemu-ga.conf '[general]' 'block-rpcs=guest-exec,guest-exec-status,guest-file-open' ;;
    lvm-knows-another-disk)
        has /etc/lvm/devices/system.devices 'VERSION=1.1.2' \
            'IDTYPE=sys_wwid IDNAME=naa.6000c29d70e3aa1f DEVNAME=/dev/sda3 PVID=9dRHhFlPYWgaHo3wlfv4ZahXpnSdLYP2 PART=3'
        ;;
    initramfs-without-virtio)
        has /etc/initramfs-tools/conf.d/only-vmware 'MODULES=list'
        has /etc/initramfs-tools/modules vmw_pvscsi mptspi sd_mod ext4
        ;;
    efi-without-fallback) rm -rf "$root/boot/efi/EFI/BOOT" ;;
    same-machine-id) has /etc/machine-id 0123456789abcdef0123456789abcdef ;;
    *)
        echo "habits.sh: there is no \`$habit\`" >&2
        exit 2
        ;;
esac
