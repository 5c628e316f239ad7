# shellcheck shell=bash
# Has dnf's own interpreter run the program after $0, with the arguments after that: VERB PROXY PATIENCE ROOT.
program=$1; shift
refuse() { printf 'Refused\t%s\t%s\n' "$1" "$2"; exit 20; }
[ ! -e /run/ostree-booted ] || refuse image "the system is booted from an image (ostree or bootc), which is replaced as a whole"
[ ! -e /usr/sbin/transactional-update ] || [ -w /usr ] || refuse image "the system is updated by transactional-update, in snapshots of its own"
[ -e /usr/bin/dnf ] || refuse absent "there is no /usr/bin/dnf"
IFS= read -r first < <(head -c 200 /usr/bin/dnf | tr -d '\0')
case $first in
  '#!'*) ;;
  *) refuse absent "/usr/bin/dnf is not dnf 4" ;;
esac
read -r -a interpreter <<< "${first#'#!'}"
# What scripts of packages print is told from answers, wherever they print it.
[ "$1" = refresh ] || exec 2> >(sed -u 's/^/| /' >&2)
exec "${interpreter[@]}" -c "$program" "$@"
