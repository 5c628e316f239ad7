# shellcheck shell=bash
shopt -s nullglob; IFS=
rm -f -- "$1" 2>/dev/null
# shellcheck disable=SC2206
files=($1)
for file in "${files[@]}"; do
  [ ! -f "$file" ] || rm -f -- "$file" || exit 1
done
[ ! -e "$1" ]
