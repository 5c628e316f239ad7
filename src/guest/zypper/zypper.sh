# shellcheck shell=bash
# shellcheck disable=SC2034,SC2317,SC2329 # what follows reads and calls these
# Stands before all that asks zypper. $1: a proxy, for every host; or nothing. $2: seconds for which its lock is waited for that
# another package manager holds (zypper(8), ZYPP_LOCK_TIMEOUT).
proxy=$1; export ZYPP_LOCK_TIMEOUT=$2; shift 2
if [ -n "$proxy" ]; then
  export {http,https,ftp,all}_proxy="$proxy" {HTTP,HTTPS,FTP,ALL}_PROXY="$proxy" no_proxy='' NO_PROXY=''
fi
# Unknown keys and licences that nobody accepted are answered with zypper's defaults then: no.
zyp() { zypper --non-interactive "$@" < /dev/null; }
# Its answers without what nobody reads: hundreds of lines of progress, and what each package says of itself.
slim() {
  sed -zE -e 's@<progress [^>]*>\n?|<option [^>]*>\n?|<download [^>]*>\n?@@g' -e 's@ (summary|url)="[^"]*"@@g' \
    -e 's@\n?<description>[^<]*</description>(</solvable>|<license)@\1@g' -e 's@<(title|href)>[^<]*</(title|href)>@@g' \
    -e 's@<summary>[^<]*</summary>(<license)@\1@g' -e 's@<license>[^<]*</license>|<license/>@@g'
}
# A part of an answer: its name, an exit code, and each line of the text behind a blank.
part() { printf 'Part %s %s\n %s\n' "$1" "$2" "${3//$'\n'/$'\n' }"; }
# How it ended, for whoever reads the end of the error output alone.
ended() { [ "$1" = 0 ] || echo "patchgate: zypper exit $1" >&2; exit "$1"; }
# Lines `+NAME.ARCH=EDITION` for what comes, `-` for what goes, `~` for what is replaced, `=` for what is installed again.
transaction() {
  awk '
    function of(attribute) {
      if (!match($0, " " attribute "=\"[^\"]*\"")) return ""
      return substr($0, RSTART + length(attribute) + 3, RLENGTH - length(attribute) - 4)
    }
    /^<to-[a-z-]+>/ { section = $0; sub(/^<to-/, "", section); sub(/>.*/, "", section) }
    /^<\/to-/ { section = "" }
    /^<solvable / && section != "" && of("type") == "package" {
      sign = section == "remove" ? "-" : section == "reinstall" ? "=" : "+"
      print sign of("name") "." of("arch") "=" of("edition")
      if (of("edition-old") != "") print "~" of("name") "." of("arch-old") "=" of("edition-old")
    }' | LC_ALL=C sort -u
}
