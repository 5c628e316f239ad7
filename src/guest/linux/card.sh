# shellcheck shell=bash
# `card_of MAC`: the name of the card that has this MAC address of its own; a bond may have given it another.
card_of() {
  local dir line
  for dir in /sys/class/net/*; do
    [ -e "$dir/device" ] || continue
    line="$(ip -o link show dev "${dir##*/}") "
    case $line in *permaddr*) line=${line##*permaddr } ;; *) line=${line##*link/ether } ;; esac
    [ "${line%% *}" != "$1" ] || { printf '%s\n' "${dir##*/}"; return 0; }
  done
  return 1
}
