# shellcheck shell=bash
# What the guests' own scripts use. They run in the guest's tree.

# add PACKAGE...: as `main` has it, without what is only recommended.
add() {
    apt-get -q -y install "$@"
}

# put PATH: writes standard input there.
put() {
    mkdir -p "$(dirname "$1")"
    cat > "$1"
}

# A name of its own, no password, and the kernel's messages on the screen and on the serial line. On a busy host the timer
# may not tick while the kernel looks whether it does, which is then a panic.
basics() {
    printf '%s\n' "$1" > /etc/hostname
    printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$1" > /etc/hosts
    passwd -l root
    # After /etc/default/grub, where vmdb2 turns predictable names off.
    put /etc/default/grub.d/console.cfg <<'GRUB'
GRUB_CMDLINE_LINUX_DEFAULT="console=tty0 console=ttyS0,115200 no_timer_check"
GRUB_TERMINAL=console
GRUB_TIMEOUT=1
GRUB_DISABLE_OS_PROBER=true
GRUB
}

# The first card by ifupdown, under whatever predictable name.
ifupdown_dhcp() {
    add ifupdown isc-dhcp-client
    put /etc/network/interfaces <<'INTERFACES'
auto lo
iface lo inet loopback

auto /en*=lan
iface lan inet dhcp
INTERFACES
}

# static_lan MAC ADDRESS: a card with a name of its own by MAC, and an address that never changes.
static_lan() {
    put /etc/systemd/network/10-lan.link <<< $'[Match]\nMACAddress='"$1"$'\n\n[Link]\nName=lan0'
    put /etc/systemd/network/10-lan.network <<NETWORK
[Match]
Name=lan0

[Network]
Address=$2/24
Gateway=192.168.10.1
NETWORK
    printf '192.168.10.5 a\n192.168.10.6 b\n' >> /etc/hosts
    systemctl enable systemd-networkd
}
