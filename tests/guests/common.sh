# shellcheck shell=bash
# Root trees, made natively: in a chroot, in name spaces of their own.
: "${here:?}" "${cache:?}" "${work:?}"

suite=bookworm
mirror=http://deb.debian.org/debian
security="deb http://deb.debian.org/debian-security bookworm-security main"

# What all guests have. The kernel is the newest of the security archive, so that no kernel is pending.
common=(systemd systemd-sysv udev dbus initramfs-tools zstd iproute2)
# What stays as `main` has it, so that an update from the security archive is pending: small packages only. All others are
# upgraded when the tree is made.
kept=(libssl3 openssl liblzma5 libpcre2-8-0 libexpat1 libxml2 libgnutls30 curl libcurl4 nginx-light nginx-common nginx)
# in_tree TREE COMMAND...: with the kernel's file systems and this machine's resolver.
in_tree() {
    # shellcheck disable=SC2016 # expanded by the inner shell
    unshare --mount --pid --fork --kill-child bash -euc '
        tree=$1
        shift
        mount -t proc proc "$tree/proc"
        mount -t sysfs -o ro sysfs "$tree/sys"
        mkdir -p "$tree/dev/pts"
        mount -t devpts -o newinstance,ptmxmode=0666 devpts "$tree/dev/pts"
        mount -t tmpfs -o mode=0755 tmpfs "$tree/run"
        mkdir -p -m 1777 "$tree/run/lock"
        rm -f "$tree/etc/resolv.conf"
        touch "$tree/etc/resolv.conf"
        mount --bind /etc/resolv.conf "$tree/etc/resolv.conf"
        exec chroot "$tree" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
            DEBIAN_FRONTEND=noninteractive ${http_proxy:+http_proxy="$http_proxy"} "$@"
    ' in_tree "$@"
}

# bootstrap TREE: a minimal Debian, in which no service is started.
bootstrap() {
    logged nice -n 5 debootstrap --variant=minbase "$suite" "$1" "$mirror"
    printf '#!/bin/sh\nexit 101\n' > "$1/usr/sbin/policy-rc.d"
    chmod 755 "$1/usr/sbin/policy-rc.d"
    printf 'force-unsafe-io\n' > "$1/etc/dpkg/dpkg.cfg.d/while-building"
    printf 'APT::Install-Recommends "false";\nAcquire::Languages "none";\n' > "$1/etc/apt/apt.conf.d/99while-building"
}

# The archive of the tree that all guests begin with, whose path is printed.
common_tree() {
    local archive tree=$work/common
    archive=$cache/common-$(digest "$here/common.sh").tar
    if [ ! -f "$archive" ]; then
        say "making the common root tree" >&2
        bootstrap "$tree" >&2
        logged in_tree "$tree" apt-get -q update
        logged in_tree "$tree" apt-get -q -y install "${common[@]}"
        printf 'COMPRESS=zstd\nCOMPRESSLEVEL=3\n' > "$tree/etc/initramfs-tools/conf.d/compress"
        upgrade "$tree"
        logged in_tree "$tree" apt-get -q -y install linux-image-amd64
        logged in_tree "$tree" apt-get clean
        tar -C "$tree" --numeric-owner --xattrs -cf "$archive.new" .
        rm -rf "$tree"
        mv "$archive.new" "$archive"
    fi
    printf '%s\n' "$archive"
}

# upgrade TREE: takes all that is pending but for what is to stay pending; the sources are then as the guest has them.
upgrade() {
    local tree=$1 held
    printf 'deb %s %s main\n%s\n' "$mirror" "$suite" "$security" > "$tree/etc/apt/sources.list"
    logged in_tree "$tree" apt-get -q update
    # shellcheck disable=SC2016 # expanded by dpkg-query
    mapfile -t held < <(chroot "$tree" dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${kept[@]}" 2> /dev/null |
        sed -n 's/^installed //p')
    logged in_tree "$tree" apt-mark hold "${held[@]}"
    logged in_tree "$tree" apt-get -q -y dist-upgrade
    logged in_tree "$tree" apt-mark unhold "${held[@]}"
}
