#!/bin/bash
# A theme for the shop's page brings a setting that nginx does not know. nginx goes on with what it has loaded, and does not
# start again after the reboot.
#
#   tests/corpus/breaks-after-reboot.sh DIR && cd DIR && patchgate run --build --select web --partial      # gate: CLOSED, exit code 1
. "$(dirname "$0")/lib.sh"
begin "$@"

theme() { # VERSION CONFIGURATION
    mkdir -p "shop-theme-$1/etc/nginx/conf.d"
    echo "$2" > "shop-theme-$1/etc/nginx/conf.d/theme.conf"
}
theme 1.0 'charset utf-8;'
theme 2.0 'charset_theme dark;'
plant shop-theme web
