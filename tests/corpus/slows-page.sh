#!/bin/bash
# A theme for the shop's pages brings a speed limit, by which the catalogue takes half a second more: three times
# slower and more. Every page says what it said.
#
#   tests/corpus/slows-page.sh DIR && cd DIR && patchgate run --build --select web/debian-12 --partial
#
# Both arms are measured at once: a host with two CPUs needs `vcpus = 4` in [[host]].
. "$(dirname "$0")/lib.sh"
begin "$@"

theme() { # VERSION CONFIGURATION
    mkdir -p "shop-theme-$1/etc/nginx/conf.d"
    echo "$2" > "shop-theme-$1/etc/nginx/conf.d/theme.conf"
}
theme 1.0 'charset utf-8;'
theme 2.0 'charset utf-8; limit_rate 12k; sendfile_max_chunk 4k;'

{
    echo '<!DOCTYPE html><title>Catalogue</title>'
    for number in {1..120}; do
        echo "<p>Item $number: a fine piece of stationery, $number.90"
    done
} > roles/web/catalogue.html
cat >> roles/web.toml << 'EOF'

[[file]]
path = "/var/www/patchgate/catalogue.html"
source = "web/catalogue.html"
EOF
cp -r "$root/scenarios" scenarios
cat > scenarios/web/catalogue.toml << 'EOF'
title = "The catalogue comes quickly"
owner = "shop"
timeout = "5m"

[[step]]
name = "the catalogue answers"
on = "web"
retry = { window = "2m", every = "3s" }
http = { url = "http://web/catalogue.html", status = 200, contains = "Item 120" }

[[step]]
name = "the catalogue comes quickly"
on = "web"
http = { url = "http://web/catalogue.html", status = 200, contains = "Item 120" }
measure = { repeat = 30, warmup = 3 }
EOF
scenarios=$PWD/scenarios
plant shop-theme web
