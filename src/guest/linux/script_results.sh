# shellcheck shell=bash
# Without separators the one word stays one, and only its wildcards are expanded.
shopt -s nullglob; IFS=
if [ -f "$1" ]; then files=("$1"); else
  # shellcheck disable=SC2206
  files=($1)
fi
found=2
for file in "${files[@]}"; do
  [ -f "$file" ] || continue
  size=$(stat -Lc %s -- "$file") || exit 1
  found=0
  printf 'file %s %s\n' "$size" "${file//[$'\n\r']/?}"
  head -c "$size" -- "$file" && rm -f -- "$file" || exit 1
  echo
done
exit "$found"
