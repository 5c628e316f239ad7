# shellcheck shell=bash
echo "running $(uname -r)"
next=$(grubby --default-kernel 2>/dev/null) && [ -n "$next" ] && echo "next ${next##*/vmlinuz-}"
[ ! -s /run/patchgate/reboot-suggested ] || sed 's/^/suggested /' /run/patchgate/reboot-suggested
# It goes by clocks, so that its `no` is no proof; not every machine has the plugin.
asked=$(timeout 40 dnf -q -C needs-restarting -r 2> /dev/null < /dev/null)
case $asked in *'Reboot is required'* | *'Reboot should not be necessary'*) ;; *) asked= ;; esac
case $asked in *'Reboot is required'*) echo "flag $(sed -n 's/^ *\* *//p' <<< "$asked" | tr '\n' ' ')" ;; esac
sed -snE 's|^[^ ]+ ..(.). [^ ]+ [^ ]+ [^ ]+ +(/.*) \(deleted\)$|stale \1 \2|p' /proc/[0-9]*/maps 2>/dev/null | sort -u | head -n 500
# What the next boot loads, written since this boot began.
btime=$(sed -n 's/^btime //p' /proc/stat)
for folder in /boot /usr/lib/modules; do
  file=$(find "$folder" -type f -newerct "@$btime" ! -name 'grubenv*' ! -name 'modules.*' -print -quit 2>/dev/null) && [ -n "$file" ] && echo "boot $file"
done
echo end
exit 0
