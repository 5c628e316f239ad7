# shellcheck shell=bash
: "${here:?}" "${mirror:?}" "${suite:?}"

# guest_tree NAME JOB: leaves the guest's tree as JOB/tree.tar and the list of what is pending as JOB/pending. What is
# installed comes from `main`; roots/NAME.sh does it.
guest_tree() {
    local name=$1 job=$2 tree=$2/tree archive
    archive=$(common_tree)
    mkdir "$tree"
    tar -C "$tree" --numeric-owner --xattrs -xf "$archive"
    cp "$here/roots/lib.sh" "$here/roots/$name.sh" "$tree/root/"
    printf 'deb %s %s main\n' "$mirror" "$suite" > "$tree/etc/apt/sources.list"
    logged in_tree "$tree" apt-get -q update
    logged in_tree "$tree" bash -euo pipefail -c ". /root/lib.sh; . /root/$name.sh"
    upgrade "$tree"
    logged in_tree "$tree" update-initramfs -u
    in_tree "$tree" apt list --upgradable 2> /dev/null | sed -n 's,/.*,,p' > "$job/pending"
    logged in_tree "$tree" apt-get clean
    rm -rf "$tree/root/lib.sh" "$tree/root/$name.sh" "$tree/usr/sbin/policy-rc.d" "$tree/var/lib/apt/lists/"*_* \
        "$tree/etc/dpkg/dpkg.cfg.d/while-building" "$tree/etc/apt/apt.conf.d/99while-building" "$tree/var/lib/dbus/machine-id"
    : > "$tree/etc/resolv.conf"
    : > "$tree/etc/machine-id"
    tar -C "$tree" --numeric-owner --xattrs -cf "$job/tree.tar" .
    rm -rf "$tree"
}
