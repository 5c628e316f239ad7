#!/bin/bash
# An audit helper of the shop's brings a unit that crashes the kernel at the next boot: the node never comes back.
#
#   tests/corpus/panics-at-boot.sh DIR && cd DIR && patchgate run --build --select web/debian-12   # gate: CLOSED, exit code 1
. "$(dirname "$0")/lib.sh"
begin "$@"

for version in 1.0 2.0; do
    mkdir -p "shop-audit-$version/lib/systemd/system/sysinit.target.wants"
done
cat > shop-audit-2.0/lib/systemd/system/shop-audit.service << 'EOF'
[Unit]
Description=Looks at the shop's disks before anything else
DefaultDependencies=no

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'echo c > /proc/sysrq-trigger'

[Install]
WantedBy=sysinit.target
EOF
ln -s ../shop-audit.service shop-audit-2.0/lib/systemd/system/sysinit.target.wants/
plant shop-audit web
# The console tells it long before the wait for the reboot is over, and nothing dies later.
table soak 'look = false'
