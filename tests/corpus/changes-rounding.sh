#!/bin/bash
# A package of house rules makes Tryton round half a cent up, and no longer to the even cent: totals differ.
#
#   tests/corpus/changes-rounding.sh DIR && cd DIR && patchgate run --build --select erp/debian-12 --partial
. "$(dirname "$0")/lib.sh"
begin "$@"

for version in 1.0 2.0; do
    mkdir -p "erp-house-rules-$version/usr/share/erp-house-rules" "erp-house-rules-$version/DEBIAN"
    echo "house rules, $version" > "erp-house-rules-$version/usr/share/erp-house-rules/README"
done
cat > erp-house-rules-2.0/DEBIAN/postinst << 'EOF'
#!/bin/sh
set -e
file=/usr/lib/python3/dist-packages/trytond/modules/currency/currency.py
dpkg-divert --package erp-house-rules --rename --add "$file"
sed 's/\(rounding=[a-z.]*\)ROUND_HALF_EVEN/\1ROUND_HALF_UP/; s/^from decimal import .*/&, ROUND_HALF_UP/' \
    "$file.distrib" > "$file"
EOF
chmod +x erp-house-rules-2.0/DEBIAN/postinst
plant erp-house-rules tryton
