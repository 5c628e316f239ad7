# shellcheck shell=bash
# shellcheck disable=SC2317,SC2329 # `section` calls functions by their names
# Follows observe_head.sh, and what of the package manager's defines `etc` and names in `etc_takes` what that takes.
certificates() {
  local file said n=0
  { find /etc -xdev -type f -size -64 \( -name '*.crt' -o -name '*.pem' -o -name '*.cer' \) ! -path '/etc/letsencrypt/archive/*' \
      ! -path '/etc/ssl/certs/java/*' ! -name ca-certificates.crt
    printf '%s\n' /etc/letsencrypt/live/*/cert.pem
  } | while IFS= read -r file; do
    [[ -n $file ]] || continue
    (( n++ < 40 )) || return 3
    said=$(openssl x509 -checkend "$1" -noout -in "$file" 2> /dev/null)
    case $said in
      *'will not expire'*) printf 'ok %s\n' "$file" ;;
      *'will expire'*) printf 'expires %s\n' "$file" ;;
    esac
  done
}
tool=
for tool in ${etc_takes-}; do there "$tool" || { absent etc "$tool is not there"; tool=absent; break; }; done
case $tool in
  '') absent etc 'its packages do not tell what their files were' ;;
  absent) ;;
  *) section etc 5000 etc ;;
esac
if there openssl; then section certificates 60 certificates "$1"; else absent certificates 'openssl is not there'; fi
exit 0
