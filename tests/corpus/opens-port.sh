#!/bin/bash
# A theme for the shop's page opens a status page to the network, on a port of its own.
#
#   tests/corpus/opens-port.sh DIR && cd DIR && patchgate run --build --select web/debian-12 --partial
. "$(dirname "$0")/lib.sh"
begin "$@"

theme() { # VERSION CONFIGURATION
    mkdir -p "shop-theme-$1/etc/nginx/conf.d"
    echo "$2" > "shop-theme-$1/etc/nginx/conf.d/theme.conf"
}
theme 1.0 'charset utf-8;'
theme 2.0 'charset utf-8; server { listen 8081; location / { stub_status; } }'
plant shop-theme web
