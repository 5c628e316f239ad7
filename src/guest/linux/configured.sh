# shellcheck shell=bash
# `configured`: the names of cards that somebody has configured, each by whom. Wants `nullglob`.
configured() {
  local files
  files=(/etc/systemd/network/*.network /run/systemd/network/*-netplan-*.network)
  (( ${#files[@]} == 0 )) || sed -nE '/^\[/h; /^[[:space:]]*Name=/ { G; s/^[[:space:]]*Name=([^\n]*)\n\[Match\].*/networkd \1/p }' "${files[@]}"
  files=(/etc/network/interfaces /etc/network/interfaces.d/*)
  # A logical name, which `auto /en*=lan` or a mapping gives to cards, is no card's (interfaces(5)).
  local logical
  logical=$(sed -snE 's/^[[:space:]]*(auto|allow-[a-z]+)[[:space:]].*=([^[:space:]=/]+).*/\2/p' "${files[@]}" 2> /dev/null)
  grep -sqE '^[[:space:]]*mapping[[:space:]]' "${files[@]}" \
    || sed -snE 's/^[[:space:]]*iface[[:space:]]+([^[:space:]]+).*/\1/p' "${files[@]}" 2> /dev/null \
    | { grep -vxF -e "${logical:-lo}" || true; } | sed 's/^/ifupdown /'
  files=(/etc/NetworkManager/system-connections/* /run/NetworkManager/system-connections/netplan-*)
  (( ${#files[@]} == 0 )) || sed -nE 's/^interface-name=/NetworkManager /p' "${files[@]}"
  files=(/etc/sysconfig/network-scripts/ifcfg-* /etc/sysconfig/network/ifcfg-*)
  local file
  for file in "${files[@]}"; do printf 'ifcfg %s\n' "${file##*/ifcfg-}"; done
}
