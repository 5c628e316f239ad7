# shellcheck shell=bash
command -v openssl >/dev/null || { echo 'openssl is not installed' >&2; exit 127; }
[ -z "$1" ] || [ -r "$1" ] || { echo "no authority in $1" >&2; exit 126; }
shift
exec openssl s_client -quiet -verify_return_error "$@"
