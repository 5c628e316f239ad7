# shellcheck shell=bash
# apt-get with the arguments after $2. $1: a proxy, for every host; or nothing. $2: seconds for which locks are waited for
# that another apt holds; with 0 it waits for none, and what apt-get prints comes as it is printed.
# shellcheck disable=SC2154 # `phase` is of phase.sh, which stands before this where it matters
proxy=$1 patience=$2; shift 2
options=()
if [ -n "$proxy" ]; then
  for scheme in http https; do
    options+=(-o "Acquire::$scheme::Proxy=$proxy" -o "Acquire::$scheme::Proxy-Auto-Detect=" -o "Acquire::$scheme::ProxyAutoDetect=")
  done
  # A proxy for one host goes before that for all of them (apt-transport-http(1)).
  while read -r key; do
    options+=(-o "$key=$proxy")
  done < <(apt-config dump | sed -nE 's/^(Acquire::https?::Proxy::[^ ]+) .*/\1/pI')
fi
get() { /usr/bin/apt-get -q -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 "${options[@]}" "${phase[@]}" "$@"; }
[ "$patience" = 0 ] && { get "$@"; exit; }
exec 3>&1
# The locks on lists and archives are none of dpkg's, so apt-get itself does not wait for them.
while errors=$(get "$@" 2>&1 >&3 3>&-); status=$?; [ $status != 0 ] && [ $SECONDS -lt "$patience" ]; do
  case $errors in *'Could not get lock'*) sleep 2 ;; *) break ;; esac
done
[ -z "$errors" ] || printf '%s\n' "$errors" >&2
exit $status
