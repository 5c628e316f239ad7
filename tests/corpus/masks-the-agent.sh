#!/bin/bash
# A hardening package masks the guest agent: the node boots and nobody hears of it again.
#
#   tests/corpus/masks-the-agent.sh DIR && cd DIR && patchgate run --build --select web/debian-12   # gate: CLOSED, exit code 1
. "$(dirname "$0")/lib.sh"
begin "$@"

mkdir -p shop-hardening-1.0 shop-hardening-2.0/DEBIAN
printf '#!/bin/sh\nset -e\nln -sf /dev/null /etc/systemd/system/qemu-guest-agent.service\n' \
    > shop-hardening-2.0/DEBIAN/postinst
chmod 755 shop-hardening-2.0/DEBIAN/postinst
plant shop-hardening web
table deadlines 'reboot = "75s"'
table soak 'look = false'
