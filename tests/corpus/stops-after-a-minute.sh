#!/bin/bash
# A service of the shop's runs for a minute after each boot and then ends in order, where it used to run on.
#
#   tests/corpus/stops-after-a-minute.sh DIR && cd DIR && patchgate run --build --select web/debian-12   # gate: CLOSED, exit code 1
. "$(dirname "$0")/lib.sh"
begin "$@"

service() { # VERSION COMMAND
    local units=shop-audit-$1/lib/systemd/system
    mkdir -p "$units/multi-user.target.wants"
    cat > "$units/shop-audit.service" << EOF
[Unit]
Description=Keeps a copy of the shop's access log
Before=qemu-guest-agent.service

[Service]
ExecStart=$2

[Install]
WantedBy=multi-user.target
EOF
    ln -s ../shop-audit.service "$units/multi-user.target.wants/"
}
service 1.0 '/bin/sleep infinity'
service 2.0 '/bin/sleep 60'
plant shop-audit web
# Its minute has begun when the guest agent answers, which comes after it.
table soak 'time = "61s"'
