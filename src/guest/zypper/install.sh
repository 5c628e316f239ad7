# shellcheck shell=bash
# Follows zypper.sh. $1: `fetch` or `install`; then the set, as zypper names packages: NAME.ARCH=EDITION, and !NAME.ARCH=EDITION for
# what goes. What would be anything else than this set is refused before anything of it is done.
work=$1; shift
options=(--no-recommends --oldpackage)
said=$(zyp --xmlout --no-refresh install --dry-run "${options[@]}" -- "$@"); status=$?
if [ $status != 0 ]; then printf '%s\n' "$said"; ended $status; fi
does=$(transaction <<< "$said")
wanted=$(printf '%s\n' "$@" | sed -E 's/^!/-/; t; s/^/+/' | LC_ALL=C sort -u)
# What is replaced is replaced by something of the set, and may be named as what goes.
more=$(LC_ALL=C comm -23 <(grep -v '^~' <<< "$does") <(echo "$wanted"))
less=$(LC_ALL=C comm -13 <(tr "~" "-" <<< "$does" | LC_ALL=C sort -u) <(echo "$wanted") | while read -r one; do
  # A set that was interrupted may be in by half.
  edition=${one#*=} name=${one%%=*} arch=${one%%=*}; name=${name%.*} arch=${arch##*.}
  rpm -q -- "${name#?}-$edition.$arch" > /dev/null 2>&1
  case $one:$? in +*:0 | -*:[!0]*) ;; *) printf '%s\n' "$one" ;; esac
done)
if [ -n "$more$less" ]; then
  [ -z "$more" ] || echo "patchgate: beside the set zypper would do ${more//$'\n'/ }" >&2
  [ -z "$less" ] || echo "patchgate: of the set zypper would not do ${less//$'\n'/ }" >&2
  ended 9
fi
if [ "$work" = fetch ]; then
  zyp --xmlout --no-refresh install --download-only "${options[@]}" -- "$@" | slim
  ended "${PIPESTATUS[0]}"
fi
for round in 1 2 3; do
  # With all of it there before anything is installed, as fetch has left it.
  said=$(zyp --xmlout --no-refresh install --download in-advance "${options[@]}" -- "$@" | slim; exit "${PIPESTATUS[0]}"); status=$?
  printf '%s\n' "$said"
  # 103: zypper itself, or what it stands on, was renewed, and there may be more.
  [ "$status" = 103 ] || break
  echo "patchgate: round $round ended with 103" >&2
done
case $status in
  # 102: it is all in, and wants a reboot.
  102) mkdir -p /run/patchgate && : > /run/patchgate/zypper-reboot; status=0 ;;
esac
# Of a script that failed some versions of zypper say nothing in their exit code, and none of them of a %posttrans.
failed='^(warning|error): %[a-z]+\(.*\) scriptlet failed, |^<message type="warning">[^ ]* %[a-z]+ script failed '
[ "$status" = 0 ] && grep -qE "$failed" <<< "$said" && status=107
ended "$status"
