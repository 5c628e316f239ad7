# shellcheck shell=bash
# What a full upgrade would do; the packages on hold; and when each list of the sources was made, in seconds since 1970.
/usr/bin/apt-get -q -s -o Debug::NoLocking=1 dist-upgrade || exit
apt-mark showhold | sed 's/^/Hold /'
lists=$(apt-config shell dir Dir::State::lists/d)
eval "$lists"
for file in "${dir:-/var/lib/apt/lists/}"*Release; do
  [ -f "$file" ] || continue
  dated=$(sed -n -e 's/^Date: //p' -e '/^SHA256:/q' -e '/^MD5Sum:/q' "$file" | head -n 1)
  [ -n "$dated" ] && dated=$(date -d "$dated" +%s 2>/dev/null) && echo "List $dated ${file##*/}"
done
exit 0
