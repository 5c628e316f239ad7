# shellcheck shell=bash
# $1 $2: the proxy's address and port; $3: a name that must not resolve; then targets: tcp/ADDRESS/PORT and udp/ADDRESS/PORT,
# which must be silent, `refused METHOD ADDRESS`, which the proxy must not let through, `source METHOD ADDRESS`, which it must.
gateway=$1 port=$2 name=$3; shift 3
ip route add default via "$gateway" metric 4242 2>/dev/null
for target in "$@"; do
  case $target in
    tcp/*) timeout 4 bash -c "exec 3<>/dev/$target" 2>/dev/null && echo "open $target" ;;
    udp/*) echo patchgate > "/dev/$target" ;;
  esac &
done 2>/dev/null
[ -n "$name" ] && timeout 10 getent hosts "$name" >/dev/null && echo "resolves $name"
wait
ip route del default via "$gateway" metric 4242 2>/dev/null
ask() {
  exec 3<>"/dev/tcp/$gateway/$port" || { echo "$1 silent"; return; }
  printf '%s %s HTTP/1.0\r\n\r\n' "$2" "$3" >&3
  read -t 60 -r _ status _ <&3 || status=silent
  while read -t 10 -r header <&3; do
    case $header in X-Squid-Error:*|x-squid-error:*) status="squid ${header#*: }" ;; $'\r'|'') break ;; esac
  done
  exec 3>&-
  echo "$1 ${status%$'\r'}"
}
for target in "$@"; do
  case $target in
    refused\ *|source\ *) read -r key method address <<< "$target"; ask "$key" "$method" "$address" ;;
  esac
done 2>/dev/null
ask unlisted HEAD "$0" 2>/dev/null
exit 0
