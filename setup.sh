#!/bin/bash
# Installs what patchgate needs on Debian 12 or 13 and sees to it that libvirt answers. Asks nothing, says only what it
# does, and does nothing where all is there. PATCHGATE_SETUP_NO_DAEMON=1 leaves libvirt's daemon alone.
set -euo pipefail

packages=(
    qemu-system-x86 qemu-utils                                   # virtual machines and their disks
    libvirt-daemon libvirt-daemon-driver-qemu libvirt-daemon-system libvirt-clients
    ovmf swtpm swtpm-tools                                       # UEFI and TPMs for those that want them
    dnsmasq-base iptables nftables iproute2                             # libvirt's networks
    squid                                                        # the clones' one way out
    mtools                                                       # the seed of `image prepare`
    mmdebstrap debian-archive-keyring grub-pc-bin grub-common e2fsprogs fdisk zstd gzip lzop xz-utils   # images
    util-linux mount tar openssl
    gcc libc6-dev make pkg-config libvirt-dev                    # building patchgate
    shellcheck codespell                                         # make check
    grub-efi-amd64-bin                                           # make test: a disk that boots by UEFI
    rpm createrepo-c gnupg dnf zypper                            # make test: repositories of RPM packages, and who installs them
)
backports_list=/etc/apt/sources.list.d/patchgate-backports.list

fail() {
    echo "setup: $*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo > /dev/null; then
        sudo -n "$@" || fail "\`$*\` failed; run ./setup.sh as root, or allow sudo without a password"
    else
        fail "\`$*\` needs root; run ./setup.sh as root"
    fi
}

# The packages among the arguments that are not installed.
missing() {
    local have
    have=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2> /dev/null || true)
    local package
    for package in "$@"; do
        # pkg-config is an empty package in Debian 13, provided by pkgconf.
        grep -qx "installed $package" <<< "$have" || echo "$package"
    done
}

# The release whose backports installed QEMU packages come from, or nothing. Such a package (often qemu-utils alone)
# keeps apt from installing the rest of QEMU from `main`, because all must have one version.
backported_release() {
    local versions
    versions=$(dpkg-query -W -f '${db:Status-Status} ${Version}\n' qemu-utils qemu-system-common qemu-system-data \
        2> /dev/null || true)
    case $versions in
        *installed\ *~bpo12+*) echo bookworm ;;
        *installed\ *~bpo13+*) echo trixie ;;
    esac
}

install_packages() {
    local needed=("$@") qemu=() rest=() package release
    for package in "${needed[@]}"; do
        case $package in
            qemu-*) qemu+=("$package") ;;
            *) rest+=("$package") ;;
        esac
    done
    release=
    if [ ${#qemu[@]} -gt 0 ]; then
        release=$(backported_release)
    fi
    if [ -n "$release" ] && ! grep -q "n=$release-backports," <<< "$(apt-cache policy)"; then
        echo "setup: QEMU is partly installed from $release-backports; adding that source as $backports_list"
        echo "deb http://deb.debian.org/debian $release-backports main" | as_root tee "$backports_list" > /dev/null
    fi
    echo "setup: reading the package lists"
    as_root apt-get update -qq
    if [ -n "$release" ]; then
        echo "setup: installing from $release-backports: ${qemu[*]}"
        apt_install -t "$release-backports" "${qemu[@]}"
    else
        rest=("${qemu[@]}" "${rest[@]}")
    fi
    if [ ${#rest[@]} -gt 0 ]; then
        echo "setup: installing ${rest[*]}"
        apt_install "${rest[@]}"
    fi
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
        -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@" > /dev/null
}

libvirt_answers() {
    timeout 10 virsh -q -c qemu:///system uri > /dev/null 2>&1
}

start_libvirt() {
    if [ -d /run/systemd/system ]; then
        echo "setup: starting libvirtd.socket"
        as_root systemctl start libvirtd.socket
    else
        echo "setup: starting virtlogd and libvirtd, since no systemd runs here"
        # One that runs already refuses to start twice; what counts is the answer below.
        as_root virtlogd -d 2> /dev/null || true
        as_root libvirtd -d 2> /dev/null || true
    fi
    local _
    for _ in {1..100}; do
        libvirt_answers && return
        sleep 0.1
    done
    if [ "$(id -u)" = 0 ]; then
        fail "qemu:///system does not answer; see libvirtd's log (\`journalctl -u libvirtd\` or /var/log/libvirt)"
    fi
    fail "qemu:///system does not answer to $(id -un); join the group libvirt (\`sudo adduser $(id -un) libvirt\`) and log in anew"
}

# What udev does elsewhere. A /dev/kvm that QEMU's user may not open makes libvirt look at QEMU anew at every call, for
# seconds each time, whether KVM works or not.
share_kvm() {
    if [ -d /run/systemd/system ] || [ ! -c /dev/kvm ] || [ "$(stat -c %G:%a /dev/kvm)" = kvm:660 ]; then
        return
    fi
    echo "setup: giving /dev/kvm to the group kvm, since no udev runs here"
    as_root chgrp kvm /dev/kvm
    as_root chmod 660 /dev/kvm
}

# patchgate starts a squid of its own for each run. The package's service, which listens on every address, is switched
# off where it came with us; one that was there before is the admin's.
quiet_squid() {
    if [ -d /run/systemd/system ]; then
        as_root systemctl disable --quiet --now squid.service
    elif command -v service > /dev/null; then
        as_root service squid stop > /dev/null 2>&1 || true
    fi
}

mapfile -t needed < <(missing "${packages[@]}")
if [ ${#needed[@]} -gt 0 ]; then
    install_packages "${needed[@]}"
    if printf '%s\n' "${needed[@]}" | grep -qx squid; then
        quiet_squid
    fi
    mapfile -t needed < <(missing "${packages[@]}")
    if [ ${#needed[@]} -gt 0 ]; then
        fail "not installed in the end: ${needed[*]}"
    fi
fi
share_kvm
if [ -z "${PATCHGATE_SETUP_NO_DAEMON:-}" ] && ! libvirt_answers; then
    start_libvirt
fi
