#!/bin/bash
# Writes the demo lab with one planted bad update into a new folder: version 2.0 of a theme for the shop's page brings a
# setting that nginx does not know. nginx goes on with what it has loaded, and does not start again after the reboot.
#
#   tests/corpus/breaks-after-reboot.sh DIR && cd DIR && patchgate run --build      # gate: CLOSED, exit code 1
set -euo pipefail

dir=${1:?usage: $0 DIR}
root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir "$dir"
cd "$dir"

theme() { # VERSION CONFIGURATION
    local tree=theme-$1
    mkdir -p "$tree/DEBIAN" "$tree/etc/nginx/conf.d"
    printf 'Package: shop-theme\nVersion: %s\nArchitecture: all\nMaintainer: shop <shop@example.org>\nDescription: the looks of the shop\n' \
        "$1" > "$tree/DEBIAN/control"
    echo "$2" > "$tree/etc/nginx/conf.d/theme.conf"
    SOURCE_DATE_EPOCH=1700000000 dpkg-deb --root-owner-group --build "$tree" "shop-theme_$1_all.deb" > /dev/null
}
theme 1.0 'charset utf-8;'
theme 2.0 'charset_theme dark;'
{
    dpkg-deb --field shop-theme_2.0_all.deb
    echo 'Filename: ./shop-theme_2.0_all.deb'
    echo "Size: $(stat -c %s shop-theme_2.0_all.deb)"
    echo "SHA256: $(sha256sum shop-theme_2.0_all.deb | cut -d' ' -f1)"
} > Packages

cp -r "$root/images/roles/web" .
{
    echo 'debs = ["shop-theme_1.0_all.deb"]'
    cat "$root/images/roles/web.toml"
    cat << 'EOF'

[[file]]
path = "/etc/apt/sources.list"
content = "deb [trusted=yes] file:/srv/planted ./\n"

[[file]]
path = "/srv/planted/shop-theme_2.0_all.deb"
source = "shop-theme_2.0_all.deb"

[[file]]
path = "/srv/planted/Packages"
source = "Packages"
EOF
} > web.toml
sed -e 's|^updates = .*|updates = "listed"\nlisted = ["shop-theme"]\nexpect_updates = false      # the database has none\nscenarios = "'"$root"'/scenarios"|' \
    -e "s|\"images/roles/web.toml\"|\"web.toml\"|" \
    -e "s|\"images/|\"$root/images/|" "$root/patchgate.toml" > patchgate.toml
