# shellcheck shell=bash
# Shared by the scripts of this folder. Each writes a lab into a new folder in which exactly one bad update is pending:
# version 2.0 of a small local package, of which the image has 1.0. Run from the new folder, with what the script says.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# begin DIR: the new folder, with copies of what the lab's recipes name.
begin() {
    mkdir "${1:?usage: $0 DIR}"
    cd "$1"
    cp -r "$root/images/roles" roles
}

# package NAME VERSION: a package of the files that are in the folder NAME-VERSION.
package() {
    local tree=$1-$2
    mkdir -p "$tree/DEBIAN"
    printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: planted <planted@example.org>\nDescription: planted\n' \
        "$1" "$2" > "$tree/DEBIAN/control"
    SOURCE_DATE_EPOCH=1700000000 dpkg-deb --root-owner-group --build "$tree" "roles/$1_$2_all.deb" > /dev/null
}

# plant NAME ROLES [SOURCES]: NAME 1.0 in the image of each role and 2.0 pending, from a repository on its own disk, which is
# its only update source. SOURCES is where it says so; a recipe whose commands install packages needs its own sources too.
plant() {
    local name=$1 roles=$2 role sources=${3:-/etc/apt/sources.list}
    package "$name" 1.0
    package "$name" 2.0
    (
        cd roles
        {
            dpkg-deb --field "${name}_2.0_all.deb"
            echo "Filename: ./${name}_2.0_all.deb"
            echo "Size: $(stat -c %s "${name}_2.0_all.deb")"
            echo "SHA256: $(sha256sum "${name}_2.0_all.deb" | cut -d' ' -f1)"
        } > Packages
        for role in $roles; do
            {
                echo "debs = [\"${name}_1.0_all.deb\"]"
                cat "$role.toml"
                cat << EOF

[[file]]
path = "$sources"
content = "deb [trusted=yes] file:/srv/planted ./\n"

[[file]]
path = "/srv/planted/${name}_2.0_all.deb"
source = "${name}_2.0_all.deb"

[[file]]
path = "/srv/planted/Packages"
source = "Packages"
EOF
            } > planted.toml
            mv planted.toml "$role.toml"
        done
    )
    # The shipped lab, with nothing pending but this; the other nodes have no update.
    sed -e "s|^updates = .*|updates = \"listed\"\nlisted = [\"$name\"]\nexpect_updates = false\nscenarios = \"${scenarios:-$root/scenarios}\"|" \
        -e "s|\"images/roles/|\"roles/|" -e "s|\"images/|\"$root/images/|" "$root/patchgate.toml" > patchgate.toml
}

# table NAME LINE..: one more table of a lab that was planted. What is not to be waited for in full is said so, that a run of two
# pairs of arms ends in a few minutes on emulated processors too.
table() {
    printf '\n[%s]\n' "$1" >> patchgate.toml
    printf '%s\n' "${@:2}" >> patchgate.toml
}
