# shellcheck shell=bash
# What every look begins with. `section NAME LINES COMMAND...` runs a command or function for one section; of longer output
# than that many lines nothing is believed.
shopt -s nullglob; set -o pipefail
most() { awk -v n="$1" 'NR <= n { print " " substr($0, 1, 400) } END { if (NR > n) print "@! there are more than " n " lines" }'; }
absent() { printf '@@ %s\n@- %s\n@.\n' "$1" "$2"; }
there() { command -v "$1" > /dev/null; }
section() {
  local name=$1 lines=$2; shift 2
  there "$1" || { absent "$name" "$1 is not there"; return; }
  printf '@@ %s\n' "$name"
  "$@" 2> /dev/null | most "$lines" || printf '@! %s ended with exit code %s\n' "$1" "$?"
  printf '@.\n'
}
