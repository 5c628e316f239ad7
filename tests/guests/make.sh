#!/bin/bash
# make.sh NAME... DIR: disks of guests as production has them, made by tools that are not ours, into DIR (raw, sparse).
# `all` stands for all names; without any, they are listed. Asks nothing. Needs root on Debian 12 or 13.
#
# A disk is kept in $PATCHGATE_GUESTS and made anew only when the scripts that make it have changed; DIR gets a copy where it
# has none of that making.
set -euo pipefail
shopt -s inherit_errexit

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${PATCHGATE_GUESTS:-${XDG_CACHE_HOME:-$HOME/.cache}/patchgate/guests}
work=$cache/work

fail() {
    echo "guests: $*" >&2
    exit 1
}

say() {
    echo "guests: $*"
}

# logged COMMAND...: what it prints is shown only when it fails.
logged() {
    "$@" > "$work/log" 2>&1 || {
        tail -n 20 "$work/log" >&2
        fail "failed: $*"
    }
}

# digest FILE...: of their content.
digest() {
    cat "$@" | sha256sum | cut -c 1-16
}

. "$here/common.sh"
. "$here/tree.sh"
. "$here/uml.sh"

install_packages() {
    local package lacking=()
    while read -r package; do
        dpkg-query -W -f '${db:Status-Status}\n' "$package" 2> /dev/null | grep -qx installed || lacking+=("$package")
    done < <(grep -v '^#' "$here/packages")
    if [ ${#lacking[@]} -gt 0 ]; then
        say "installing ${lacking[*]}"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${lacking[@]}" > /dev/null
    fi
}

# How each disk is made: its name, its maker, and what the maker goes by.
recipes() {
    sed -e '/^#/d' -e '/^$/d' "$here/disks"
}

# recipe NAME: sets maker, with and case.
recipe() {
    read -r maker with case < <(recipes | awk -v name="$1" '$1 == name { print $2, $3, $4 }') ||
        fail "no disk \`$1\`; there are: $(recipes | awk '{ print $1 }' | tr '\n' ' ')"
}

# key NAME: changes when what makes the disk changes.
key() {
    local name=$1 maker with case files
    recipe "$name"
    files=("$here/common.sh" "$here/inside/init.sh" "$here/inside/$maker.sh")
    case $maker in
        plant)
            digest "${files[@]}" "$here/habits.sh" <(key "$with") <(echo "$case")
            return
            ;;
        vmdb2) files+=("$here/$with.vmdb") ;;
        fai) mapfile -t -O "${#files[@]}" files < <(find "$here/fai" -type f | LC_ALL=C sort) ;;
    esac
    digest "${files[@]}" "$here/tree.sh" "$here/roots/lib.sh" "$here/roots/$name.sh"
}

# disk NAME: makes the disk where the cache has none; prints its folder there.
disk() {
    local name=$1 maker with case folder job
    recipe "$name"
    folder=$cache/disks/$name@$(key "$name")
    if [ ! -d "$folder" ]; then
        job=$work/$name
        mkdir "$job"
        if [ "$maker" = plant ]; then
            copy_of "$(disk "$with")" "$with" "$job" "$name"
        else
            guest_tree "$name" "$job"
        fi
        say "making $name by $maker" >&2
        printf 'exec bash -euo pipefail /guests/inside/%s.sh %s %s %s\n' "$maker" "$name" "$with" "$case" > "$job/run"
        in_uml "$job"
        rm -rf "$cache/disks/$name@"*
        mkdir "$folder.new"
        mv "$job"/*.raw "$job/pending" "$folder.new/"
        mv "$folder.new" "$folder"
        rm -rf "$job"
    fi
    printf '%s\n' "$folder"
}

# copy_of FOLDER BASE JOB NAME: the disks of BASE, under another name.
copy_of() {
    local folder=$1 base=$2 job=$3 name=$4 file
    for file in "$folder"/*.raw; do
        cp --sparse=always "$file" "$job/$name${file#"$folder/$base"}"
    done
    cp "$folder/pending" "$job/"
}

# hand_over NAME FOLDER DIR
hand_over() {
    local name=$1 folder=$2 dir=$3 file
    [ "$(cat "$dir/.$name.made" 2> /dev/null || true)" != "${folder##*/}" ] || return 0
    for file in "$folder"/*.raw; do
        cp --sparse=always "$file" "$dir/.new"
        mv "$dir/.new" "$dir/${file##*/}"
    done
    cp "$folder/pending" "$dir/$name.pending"
    printf '%s\n' "${folder##*/}" > "$dir/.$name.made"
}

main() {
    if [ $# -lt 2 ]; then
        echo "usage: make.sh NAME... DIR" >&2
        recipes | awk '{ print $1 }' >&2
        exit 2
    fi
    dir=${*: -1}
    names=("${@:1:$#-1}")
    [ "${names[*]}" != all ] || mapfile -t names < <(recipes | awk '{ print $1 }')
    [ "$(id -u)" = 0 ] || fail "root is needed, to install packages and to make root trees"
    install_packages
    mkdir -p "$cache/disks" "$dir"
    dir=$(cd "$dir" && pwd)
    exec 9> "$cache/lock"
    flock 9
    # What a failure leaves is there to be looked at until the next time.
    rm -rf "$work"
    mkdir "$work"
    for name in "${names[@]}"; do
        folder=$(disk "$name")
        hand_over "$name" "$folder" "$dir"
        say "$name: pending $(tr '\n' ' ' < "$folder/pending")"
    done
    rm -rf "$work"
}

main "$@"
exit
