#!/bin/bash
# A theme for the shop's page has a maintainer script that waits for ever: the installation does not come to an end.
#
#   tests/corpus/hangs-in-its-script.sh DIR && cd DIR && patchgate run --build --select web/debian-12   # gate: CLOSED, exit code 1
. "$(dirname "$0")/lib.sh"
begin "$@"

mkdir -p shop-theme-1.0 shop-theme-2.0/DEBIAN
printf '#!/bin/sh\nset -e\nwhile [ ! -e /run/shop-theme.ready ]; do sleep 5; done\n' > shop-theme-2.0/DEBIAN/postinst
chmod 755 shop-theme-2.0/DEBIAN/postinst
plant shop-theme web
table deadlines 'apply = "45s"'
table soak 'look = false'
