# shellcheck shell=bash
# cloud-init makes itself known by a seed in the image; netplan writes networkd's files.
basics cloud-netplan
add qemu-guest-agent openssl grub-pc cloud-init netplan.io openssh-server
put /etc/cloud/cloud.cfg.d/90-datasource.cfg <<'CFG'
datasource_list: [ NoCloud, None ]
CFG
put /etc/cloud/cloud.cfg.d/91-network.cfg <<'CFG'
network: { config: disabled }
CFG
put /var/lib/cloud/seed/nocloud/meta-data <<'CFG'
instance-id: iid-cloud-netplan
local-hostname: cloud-netplan
CFG
put /var/lib/cloud/seed/nocloud/user-data <<'CFG'
#cloud-config
locale: false
package_update: false
package_upgrade: false
ssh_genkeytypes: [ ed25519 ]
CFG
put /etc/netplan/50-lan.yaml <<'CFG'
network:
  version: 2
  renderer: networkd
  ethernets:
    lan:
      match: { name: "en*" }
      dhcp4: true
CFG
chmod 600 /etc/netplan/50-lan.yaml
systemctl enable systemd-networkd
