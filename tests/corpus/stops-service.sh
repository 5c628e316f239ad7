#!/bin/bash
# A service of the shop's, which no scenario looks at, loses the link by which it is started at boot.
#
#   tests/corpus/stops-service.sh DIR && cd DIR && patchgate run --build --select web/debian-12 --partial
. "$(dirname "$0")/lib.sh"
begin "$@"

for version in 1.0 2.0; do
    units=shop-audit-$version/lib/systemd/system
    mkdir -p "$units/multi-user.target.wants"
    cat > "$units/shop-audit.service" << 'EOF'
[Unit]
Description=Keeps a copy of the shop's access log
After=nginx.service

[Service]
ExecStart=/usr/bin/tail --lines=0 --follow=name --retry /var/log/nginx/access.log

[Install]
WantedBy=multi-user.target
EOF
done
ln -s ../shop-audit.service shop-audit-1.0/lib/systemd/system/multi-user.target.wants/
rmdir shop-audit-2.0/lib/systemd/system/multi-user.target.wants
plant shop-audit web
