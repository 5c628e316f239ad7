#!/bin/bash
# A proving ground for machines with RPM packages, from nothing but this script:
#
#   build-repo.sh DIR     DIR is made; what an earlier call left in it is written anew, but for its keys
#
#   DIR/base      what the machines have installed
#   DIR/updates   what is pending for them, with advisories
#   DIR/second    the same mirror an hour later: pg-web newer once more, `withdrawn` gone
#   DIR/silent    an update of `untold`, and no advisories at all
#   DIR/flip      ping and pong, each of which replaces the other: there is always one more update
#   DIR/base.tar  the packages of base, for images
#   DIR/keys      the key that signs (lab.asc), one that no machine has (stranger.asc), and their secret halves
#   DIR/advisories, which publish.sh makes a repository's updateinfo of; those in DIR/advisories/later come with `second`
#
# The keys are made once and are for nothing else. With the same keys every byte is the same in every call.
set -euo pipefail

[ $# -eq 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
top=$(cd "$1" && pwd)
export SOURCE_DATE_EPOCH=1767225600 TZ=UTC LC_ALL=C

work=$(mktemp -d)                                # a short path: gpg's sockets allow for some hundred characters
export GNUPGHOME=$work/gnupg HOME=$work
trap 'gpgconf --kill gpg-agent || true; rm -rf "$work"' EXIT
mkdir -m 700 "$GNUPGHOME"
rm -rf "$top"/{base,updates,second,silent,flip,advisories}
mkdir -p "$top"/{base,updates,second,silent,flip,advisories/later,keys}

# --- keys ---------------------------------------------------------------------------------------------------------

key() { # key NAME: makes it, or takes the one that is there
    if [ ! -e "$top/keys/$1.secret.asc" ]; then
        gpg --batch --quiet --pinentry-mode loopback --passphrase '' --faked-system-time "$SOURCE_DATE_EPOCH!" \
            --quick-generate-key "$1 (tests of patchgate) <$1@rpm.example>" rsa2048 sign never 2> /dev/null
        gpg --batch --armor --export "$1@rpm.example" > "$top/keys/$1.asc"
        gpg --batch --armor --export-secret-keys "$1@rpm.example" > "$work/$1.secret.asc"
        mv "$work/$1.secret.asc" "$top/keys/"
    else
        gpg --batch --quiet --import "$top/keys/$1.secret.asc" 2> /dev/null
    fi
}

sign() { # sign KEY PACKAGE...
    rpmsign --define "__gpg $(command -v gpg)" --define "_gpg_name $1@rpm.example" --define '_gpg_digest_algo sha256' \
        --define "_gpg_sign_cmd_extra_args --faked-system-time $SOURCE_DATE_EPOCH!" --addsign "${@:2}" > "$work/log" 2>&1 \
        || { cat "$work/log" >&2; exit 1; }
}

# --- packages -----------------------------------------------------------------------------------------------------

# All packages of a batch are subpackages of one spec file, since each call of rpmbuild costs a quarter of a second.
declare -a owned
begin() {
    spec=$work/batch.spec
    owned=()
    cat > "$spec" <<'END'
Name: batch
Version: 0
Release: 0
Summary: never built itself
License: MIT
BuildArch: noarch
AutoReqProv: no
%description
Never built itself.
END
}

# package NAME [EPOCH:]VERSION-RELEASE, and on standard input what is special about it: tags first; then, each after a line
# `-- WHAT`, shell for a scriptlet (post, preun), or a file: `-- file PATH [ATTRIBUTE]`.
package() {
    local name=$1 epoch='' evr=$2 line what='' path rest
    case $evr in *:*) epoch=${evr%%:*} evr=${evr#*:} ;; esac
    {
        printf '%%package -n %s\nSummary: %s of the lab\nVendor: %s\nVersion: %s\nRelease: %s\n' \
            "$name" "$name" "${vendor:-Lab}" "${evr%-*}" "${evr##*-}"
        [ -z "$epoch" ] || echo "Epoch: $epoch"
        [ "$name" = platform ] || echo 'Requires: platform'
    } >> "$spec"
    owned+=("$name")
    mkdir -p "$work/files/$name/usr/lib/lab/$name"
    echo "$evr" > "$work/files/$name/usr/lib/lab/$name/version"
    local listed="/usr/lib/lab/$name" scripts='' described=''
    while IFS= read -r line; do
        case $line in
            '-- file '*)
                read -r path rest <<< "${line#-- file }"
                what=$work/files/$name$path
                mkdir -p "${what%/*}"
                : > "$what"
                listed+=$'\n'"${rest:+$rest }$path"
                ;;
            '-- '*)
                what=script
                scripts+="%${line#-- } -n $name"$'\n'
                ;;
            *)
                case $what in
                    '') described+=$line$'\n' ;;
                    script) scripts+=${line//%/%%}$'\n' ;;
                    *) printf '%s\n' "$line" >> "$what" ;;
                esac
                ;;
        esac
    done
    printf '%s%%description -n %s\nPart of a lab.\n%s%%files -n %s\n%s\n' \
        "$described" "$name" "$scripts" "$name" "$listed" >> "$spec"
}

build() { # build REPOSITORY [KEY]: what was described since `begin`, signed
    local name
    {
        echo '%install'
        for name in "${owned[@]}"; do echo "cp -r $work/files/$name/. %{buildroot}/"; done
    } >> "$spec"
    rpmbuild -bb --nodeps --target noarch --define "_topdir $work/rpmbuild" --define "_rpmdir $work/built" \
        --define "_dbpath $work/db" --define "_tmppath $work" --define '_buildhost build.rpm.example' \
        --define '_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm' \
        --define 'use_source_date_epoch_as_buildtime 1' --define 'clamp_mtime_to_source_date_epoch 1' \
        --define '_binary_payload w3.gzdio' --define '__os_install_post %{nil}' "$spec" > "$work/log" 2>&1 \
        || { cat "$work/log" "$spec" >&2; exit 1; }
    sign "${2:-lab}" "$work"/built/*.rpm
    mv "$work"/built/*.rpm "$top/$1/"
    rm -rf "$work/files"
}

# A service on a port that answers with its name and version. The third argument is Perl that it runs first, the fourth
# shell that its installation runs.
service() { # service NAME VERSION-RELEASE PORT [PERL [SHELL]]
    package "$1" "$2" <<END
-- file /usr/lib/lab/$1/server %attr(0755,root,root)
#!/usr/bin/perl
use strict; use IO::Socket::INET;
${4:-}
my \$server = IO::Socket::INET->new(LocalPort => $3, Listen => 5, ReuseAddr => 1) or die \$!;
while (my \$client = \$server->accept) {
    while (<\$client>) { last if /^\\r?\$/ }
    print \$client "HTTP/1.1 200 OK\\r\\nContent-Type: text/plain\\r\\nConnection: close\\r\\n\\r\\n$1 ${2%-*}\\n";
    close \$client;
}
-- file /lib/systemd/system/$1.service
[Unit]
Description=$1

[Service]
ExecStart=/usr/lib/lab/$1/server

[Install]
WantedBy=multi-user.target
-- post
${5:-}
[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload
systemctl restart $1.service
END
}

plain() { # plain NAME [EPOCH:]VERSION-RELEASE: nothing special about it
    package "$1" "$2" < /dev/null
}

# Several stay side by side; what each package manager asks for to know them by.
kernel() {
    package kernel "$1" <<END
Provides: installonlypkg(kernel)
Provides: multiversion(kernel)
-- file /boot/vmlinuz-lab-$1
not really a kernel
END
    # The folder that all packages have would be one that they share.
    mv "$work/files/kernel/usr/lib/lab/kernel" "$work/files/kernel/usr/lib/lab/kernel-$1"
    sed -i "s,^/usr/lib/lab/kernel\$,/usr/lib/lab/kernel-$1," "$spec"
}

key lab
key stranger

begin
# Stands for the distribution: what the packages' scripts need, and the release by which dnf knows where it is.
package platform 12-1 <<'END'
Provides: /bin/sh
Provides: system-release = 12
Provides: system-release(releasever) = 12
END
service pg-web 1.0-1 8081
service pg-breaks 1.0-1 8082
for name in docs post-fails post-asks post-hangs pre-fails clash-a needs-missing newer-than-peer weak bulky fills-disk \
    withdrawn tampered foreign held untold odd+name_0.x old-name peer moved ping; do
    plain "$name" 1.0-1
done
package preun-fails 1.0-1 <<'END'
-- preun
echo 'preun-fails: the old service does not end' >&2
exit 1
END
package clash-b 1.0-1 <<'END'
-- file /usr/share/lab/both
of clash-b
END
plain epoch 2.4-1
plain tilde '2.0~rc1-1'
plain caret 1.0-1
package conf 1.0-1 <<'END'
-- file /etc/lab/kept.conf %config(noreplace)
setting = 1
-- file /etc/lab/replaced.conf %config
setting = 1
-- file /etc/lab/dropped.conf %config
setting = 1
END
build base
for release in 1 2 3; do
    begin
    kernel "6.1.0-$release"
    build base
done

begin
service pg-web 2.0-1 8081
# Starts once, with what its installation made in a folder that a boot empties, and never again.
service pg-breaks 2.0-1 8082 'die "no licence in /run/pg-breaks" unless -e "/run/pg-breaks/licence";' \
    'mkdir -p /run/pg-breaks; touch /run/pg-breaks/licence'
plain docs 1.1-1
package post-fails 1.1-1 <<'END'
-- post
echo 'post-fails: the schema cannot be migrated' >&2
exit 1
END
package pre-fails 1.1-1 <<'END'
-- pre
echo 'pre-fails: not on this machine' >&2
exit 1
END
package post-asks 1.1-1 <<'END'
-- post
exec < /dev/tty > /dev/tty 2>&1
printf 'Migrate the books now? [y/N] '
read -r answer
[ "$answer" = y ]
END
package post-hangs 1.1-1 <<'END'
-- post
while :; do sleep 60; done
END
plain preun-fails 1.1-1
package clash-a 1.1-1 <<'END'
-- file /usr/share/lab/both
of clash-a
END
package needs-missing 1.1-1 <<'END'
Requires: nowhere-to-be-had >= 3
END
package newer-than-peer 2.0-1 <<'END'
Conflicts: peer < 2
END
package new-name 2.0-1 <<'END'
Obsoletes: old-name < 2
Provides: old-name = 2.0-1
Requires: new-name-data
END
plain new-name-data 2.0-1
package weak 1.1-1 <<'END'
Recommends: weak-helper
END
plain weak-helper 1.0-1
plain epoch 1:2.3-1
plain tilde 2.0-1
plain caret '1.0^20260101-1'
plain odd+name_0.x 1.1-1
package conf 1.1-1 <<'END'
-- file /etc/lab/kept.conf %config(noreplace)
setting = 2
-- file /etc/lab/replaced.conf %config
setting = 2
END
package bulky 1.1-1 <<'END'
-- file /usr/share/lab/bulky
END
truncate -s 64M "$work/files/bulky/usr/share/lab/bulky"
package fills-disk 1.1-1 <<'END'
-- post
cat /dev/zero > /var/lib/fills-disk 2> /dev/null
:
END
plain withdrawn 1.1-1
plain tampered 1.1-1
plain held 1.1-1
vendor=Elsewhere plain moved 1.1-1
kernel 6.1.0-4
build updates
begin
plain foreign 1.1-1
build updates stranger

begin
plain untold 1.1-1
build silent

begin
package pong 1.0-1 <<'END'
Obsoletes: ping
END
build flip
begin
package ping 1.1-1 <<'END'
Obsoletes: pong
END
build flip

cp "$top"/updates/*.rpm "$top/second/"
rm "$top/second/pg-web-2.0-1.noarch.rpm" "$top/second/withdrawn-1.1-1.noarch.rpm"
begin
service pg-web 2.1-1 8081
build second

# --- advisories ---------------------------------------------------------------------------------------------------

# advisory ID KIND SEVERITY TITLE CVES FLAG NAME=[EPOCH:]VERSION-RELEASE...   a dash: none
advisory() {
    local id=$1 kind=$2 severity=$3 title=$4 cves=$5 flag=$6 item evr epoch
    shift 6
    {
        printf '<update from="security@rpm.example" status="final" type="%s" version="1">\n' "$kind"
        printf '<id>%s</id><title>%s</title>\n' "$id" "$title"
        printf '<issued date="2026-01-01 06:00:00"/><updated date="2026-01-02 06:00:00"/>\n'
        [ "$severity" = - ] || printf '<severity>%s</severity>\n' "$severity"
        printf '<description>%s.</description>\n<references>\n' "$title"
        for item in ${cves/#-/}; do
            printf '<reference type="cve" id="%s" href="https://rpm.example/%s" title="%s"/>\n' "$item" "$item" "$item"
        done
        printf '</references>\n<pkglist><collection short="lab"><name>lab</name>\n'
        for item in "$@"; do
            evr=${item#*=} epoch=0
            case $evr in *:*) epoch=${evr%%:*} evr=${evr#*:} ;; esac
            printf '<package name="%s" epoch="%s" version="%s" release="%s" arch="noarch"><filename>%s-%s.noarch.rpm</filename>' \
                "${item%%=*}" "$epoch" "${evr%-*}" "${evr##*-}" "${item%%=*}" "$evr"
            [ "$flag" = - ] || printf '<%s>True</%s>' "$flag" "$flag"
            printf '</package>\n'
        done
        printf '</collection></pkglist>\n</update>\n'
    } > "$top/advisories/${folder:-.}/$id.xml"
}
advisory LAB-2099-01 security Important 'pg-web: requests could be smuggled' 'CVE-2099-1001 CVE-2099-1002' - pg-web=2.0-1
advisory LAB-2099-02 security Critical 'pg-breaks: code of strangers' CVE-2099-1003 - pg-breaks=2.0-1
advisory LAB-2099-03 security Moderate 'held: a hole that a lock keeps open' CVE-2099-1004 - held=1.1-1
advisory LAB-2099-04 security Important 'kernel: a hole' CVE-2099-1005 reboot_suggested kernel=6.1.0-4
advisory LAB-2099-05 security Low 'tilde: names a version that never came out' CVE-2099-1006 - tilde=2.0-9
advisory LAB-2099-06 security - 'epoch: nobody says how bad' CVE-2099-1001 restart_suggested epoch=1:2.3-1
advisory LAB-2099-07 bugfix None 'conf, docs: mended' - - conf=1.1-1 docs=1.1-1
advisory LAB-2099-08 enhancement None 'new-name follows old-name' - relogin_suggested new-name=2.0-1 new-name-data=2.0-1
advisory LAB-2099-09 security Important 'post-fails: a hole' CVE-2099-1007 - post-fails=1.1-1
folder=later advisory LAB-2099-10 security Important 'pg-web: the last one was not enough' CVE-2099-1008 - pg-web=2.1-1

# --- metadata -----------------------------------------------------------------------------------------------------

"$here/publish.sh" --bare "$top" "$top"/{base,silent,flip}
"$here/publish.sh" "$top" "$top/updates"
"$here/publish.sh" --later 3600 "$top" "$top/second"
tar --create --file "$top/base.tar" --directory "$top/base" --sort=name --owner=0 --group=0 --numeric-owner \
    --exclude=repodata .
