# shellcheck shell=bash
# A desktop's network manager on a server, German, in Berlin's time.
basics networkmanager
add qemu-guest-agent openssl grub-pc network-manager locales tzdata
echo 'de_DE.UTF-8 UTF-8' > /etc/locale.gen
locale-gen
update-locale LANG=de_DE.UTF-8
put /etc/locale.conf <<< 'LANG=de_DE.UTF-8'
put /etc/systemd/system.conf.d/locale.conf <<'CFG'
[Manager]
DefaultEnvironment=LANG=de_DE.UTF-8
CFG
ln -sf /usr/share/zoneinfo/Europe/Berlin /etc/localtime
echo Europe/Berlin > /etc/timezone
put /etc/NetworkManager/system-connections/lan.nmconnection <<'CFG'
[connection]
id=lan
uuid=5a1c7b7e-3a52-4f43-9f0a-0c5d6a4f1e55
type=ethernet

[ipv4]
method=auto

[ipv6]
method=auto
CFG
chmod 600 /etc/NetworkManager/system-connections/lan.nmconnection
