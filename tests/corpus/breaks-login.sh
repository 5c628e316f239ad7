#!/bin/bash
# A hardening package for nginx hides cookies from clients. LedgerSMB's login page answers as before, and nobody stays
# logged in.
#
#   tests/corpus/breaks-login.sh DIR && cd DIR && patchgate run --build --select accounting --partial
. "$(dirname "$0")/lib.sh"
begin "$@"

harden() { # VERSION CONFIGURATION
    mkdir -p "web-hardening-$1/etc/nginx/conf.d"
    echo "$2" > "web-hardening-$1/etc/nginx/conf.d/hardening.conf"
}
harden 1.0 'proxy_hide_header X-Powered-By;'
harden 2.0 'proxy_hide_header X-Powered-By; proxy_hide_header Set-Cookie;'
plant web-hardening ledgersmb /etc/apt/sources.list.d/planted.list
