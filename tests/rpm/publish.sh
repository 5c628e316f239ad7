#!/bin/bash
# Makes repositories of folders with packages that build-repo.sh built: their metadata, signed as SUSE does it, too.
#
#   publish.sh [--bare] [--later SECONDS] LAB FOLDER...
#
# LAB is the folder that build-repo.sh made. An advisory is in a repository if one of its packages is, in whatever
# version; none with --bare. --later makes the metadata that much younger, with what was learned meanwhile.
set -euo pipefail

bare=no later=0
while :; do
    case ${1:-} in
        --bare) bare=yes && shift ;;
        --later) later=$2 && shift 2 ;;
        *) break ;;
    esac
done
[ $# -ge 2 ] || { echo "usage: $0 [--bare] [--later SECONDS] LAB FOLDER..." >&2; exit 2; }
lab=$1
shift
time=$((${SOURCE_DATE_EPOCH:-1767225600} + later))
export TZ=UTC LC_ALL=C

work=$(mktemp -d)
export GNUPGHOME=$work/gnupg
trap 'gpgconf --kill gpg-agent || true; rm -rf "$work"' EXIT
mkdir -m 700 "$GNUPGHOME"
gpg --batch --quiet --import "$lab/keys/lab.secret.asc" 2> /dev/null

advisories() { # advisories FOLDER
    local names='' advisory known=("$lab"/advisories/*.xml) packages=("$1"/*.rpm)
    [ "$later" = 0 ] || known+=("$lab"/advisories/later/*.xml)
    [ ! -e "${packages[0]}" ] || names=$(rpm -qp --nosignature --qf '<package name="%{NAME}" \n' "${packages[@]}")
    echo '<?xml version="1.0" encoding="UTF-8"?>'
    echo '<updates>'
    for advisory in "${known[@]}"; do
        if [ -n "$names" ] && grep -qFf <(echo "$names") "$advisory"; then
            cat "$advisory"
        fi
    done
    echo '</updates>'
}

for folder in "$@"; do
    rm -rf "$folder/repodata"
    find "$folder" -name '*.rpm' -exec touch -d "@$time" {} +
    createrepo_c --quiet --no-database --general-compress-type=gz \
        --revision "$time" --set-timestamp-to-revision "$folder"
    if [ "$bare" = no ]; then
        advisories "$folder" > "$work/updateinfo.xml"
        modifyrepo_c --compress-type=gz "$work/updateinfo.xml" "$folder/repodata" > "$work/log" 2>&1 \
            || { cat "$work/log" >&2; exit 1; }
        sed -i "s,<timestamp>[0-9]*</timestamp>,<timestamp>$time</timestamp>," "$folder/repodata/repomd.xml"
    fi
    gpg --batch --quiet --armor --detach-sign --faked-system-time "$time!" --local-user lab@rpm.example \
        --output "$folder/repodata/repomd.xml.asc" "$folder/repodata/repomd.xml" 2> /dev/null
    cp "$lab/keys/lab.asc" "$folder/repodata/repomd.xml.key"
done
