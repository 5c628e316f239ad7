#!/bin/bash
# A repository of small packages below $1/updates, and a root at $1/root that has their first versions; for tests with the real
# zypper. $2: where the repository is served.
set -euo pipefail
top=$1 at=$2
export LC_ALL=C TZ=UTC HOME="$top/home" SOURCE_DATE_EPOCH=1767225600
mkdir -p "$top"/{home,base,updates,plain,bin} "$top"/work/SPECS
echo '%_dbpath /var/lib/rpm' > "$HOME/.rpmmacros"
# pkg REPOSITORY NAME [EPOCH:]VERSION-RELEASE; tags and scripts on standard input
pkg() {
  local evr=$3 epoch='' spec="$top/work/SPECS/$1-$2.spec"
  case $evr in *:*) epoch="Epoch: ${evr%%:*}" evr=${evr#*:} ;; esac
  printf 'Name: %s\nVersion: %s\nRelease: %s\n%s\nSummary: %s\nLicense: MIT\nVendor: Lab\nBuildArch: noarch\nAutoReqProv: no\n' \
    "$2" "${evr%-*}" "${evr##*-}" "$epoch" "$2" > "$spec"
  local special; special=$(cat)
  grep -E '^[A-Z][a-z]+: ' <<< "$special" >> "$spec" || true
  printf '%%description\n%s\n' "$2" >> "$spec"
  grep -vE '^[A-Z][a-z]+: ' <<< "$special" >> "$spec" || true
  echo '%files' >> "$spec"
  rpmbuild -bb --nodeps --target noarch --dbpath "$top/work/db" --define "_topdir $top/work" --define "_rpmdir $top/$1" \
    --define '_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm' --define '_binary_payload w1.gzdio' \
    --define "_tmppath $top/work" "$spec" > "$top/work/log" 2>&1 || { cat "$top/work/log" >&2; exit 1; }
}
plain() { pkg "$1" "$2" "$3" < /dev/null; }
pkg base lab-base 1-1 <<< 'Provides: /bin/sh'
for name in till held post-fails post-hangs posttrans-fails needs-missing; do plain base $name 1.0-1; done
plain base ledger 2.4-1
plain base oldname 1.0-1
pkg base preun-fails 1.0-1 <<< '%preun
exit 6'
for name in till held preun-fails; do plain updates $name 1.1-1; done
plain updates ledger 1:2.3-1
pkg updates newname 2.0-1 <<< 'Obsoletes: oldname < 2'
pkg updates needs-missing 1.1-1 <<< 'Requires: not-in-any-repository'
pkg updates post-fails 1.1-1 <<< '%post
echo "Nothing to do."; exit 3'
pkg updates posttrans-fails 1.1-1 <<< '%posttrans
exit 5'
pkg updates post-hangs 1.1-1 <<< '%post
sleep 20'
kernel() { pkg "$1" kernel-lab "6.1.0-$2" <<< "Provides: multiversion(kernel)"; }
kernel base 1
kernel updates 2
cat > "$top/work/updateinfo.xml" << 'XML'
<?xml version="1.0" encoding="UTF-8"?><updates><update from="lab@example.org" status="final" type="security" version="1">
<id>LAB-SA-2026:001</id><title>till: a hole</title><issued date="2026-10-01 00:00:00"/><updated date="2026-10-02 00:00:00"/>
<severity>Important</severity><description>A hole.</description><references><reference href="https://lab.example/1"
id="CVE-2099-0001" type="cve" title="CVE-2099-0001"/></references><pkglist><collection short="lab"><name>lab</name><package
name="till" version="1.1" release="1" epoch="0" arch="noarch"><filename>till-1.1-1.noarch.rpm</filename></package>
</collection></pkglist></update></updates>
XML
cp "$top"/updates/*.rpm "$top/plain"
for repository in base updates plain; do createrepo_c -q --no-database --general-compress-type=gz "$top/$repository"; done
modifyrepo_c "$top/work/updateinfo.xml" "$top/updates/repodata" > /dev/null 2>&1

root="$top/root"
mkdir -p "$root"/{bin,dev,tmp,var/lib/rpm,etc/zypp/repos.d}
for program in /bin/bash /bin/sleep; do
  cp "$program" "$root/bin/"
  ldd "$program" | grep -oE '/[^ ]+' | while read -r file; do mkdir -p "$root${file%/*}" && cp "$file" "$root$file"; done
done
ln -s bash "$root/bin/sh"
printf '[main]\nmultiversion = provides:multiversion(kernel)\n' > "$root/etc/zypp/zypp.conf"
printf '[updates]\nname=Lab updates\nenabled=1\nautorefresh=0\nbaseurl=%s\ngpgcheck=0\n' "$at" > "$root/etc/zypp/repos.d/updates.repo"
rpm --root "$root" --nodeps --noscripts -i --nosignature "$top"/base/*.rpm 2> /dev/null
# What stands for the guest's own programs.
for program in zypper rpm; do
  printf '#!/bin/bash\nexport HOME=%q\nexec /usr/bin/%s --root %q "$@"\n' "$HOME" "$program" "$root" > "$top/bin/$program"
  chmod +x "$top/bin/$program"
done
