# shellcheck shell=bash
: "${here:?}" "${cache:?}"

# The tools, in their own tree.
tool_packages=(
    vmdb2 zerofree kpartx parted lvm2 dmsetup fai-server fai-setup-storage
    udev kmod dosfstools e2fsprogs fdisk cpio zstd xz-utils iproute2 qemu-utils
)

# The tree with the tools, whose path is printed.
tools_tree() {
    local tree
    tree=$cache/tools-$(digest "$here/inside/init.sh" <(echo "${tool_packages[*]}"))
    if [ ! -d "$tree" ]; then
        say "making the tree with vmdb2 and FAI" >&2
        rm -rf "$tree.new"
        bootstrap "$tree.new" >&2
        logged in_tree "$tree.new" apt-get -q update
        logged in_tree "$tree.new" apt-get -q -y install "${tool_packages[@]}"
        mkdir -p "$tree.new/job" "$tree.new/guests" "$tree.new/lib/modules"
        install -m 755 "$here/inside/init.sh" "$tree.new/init.sh"
        : > "$tree.new/etc/resolv.conf"
        mv "$tree.new" "$tree"
    fi
    printf '%s\n' "$tree"
}

# `in_uml JOB`: runs the script JOB/run as root of User-mode Linux, on the tree with the tools; it sees JOB as /job and this
# folder as /guests. Loop devices, partitions, FAT and LVM come from that kernel, so neither those of the host nor its udev
# matter, and nothing stays mounted when it is killed. What the script prints is in JOB/log.
in_uml() {
    local job=$1 tree
    tree=$(tools_tree)
    rm -f "$job/status"
    TMPDIR=/dev/shm nice -n 5 linux.uml mem=3G root=/dev/root rootfstype=hostfs rootflags="$tree" rw init=/init.sh \
        con=null con0=null,fd:1 quiet job="$job" guests="$here" < /dev/null > "$job/console" 2>&1 || true
    if [ "$(cat "$job/status" 2> /dev/null)" != 0 ]; then
        tail -n 30 "$job/console" "$job/log" >&2 || true
        fail "the job in User-mode Linux failed; what it said is in $job"
    fi
}
