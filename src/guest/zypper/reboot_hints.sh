# shellcheck shell=bash
# What speaks for a reboot: zypper's own word and its flag, the flag of a transaction of ours, and services that run old code.
echo "running $(uname -r)"
for flag in /run/reboot-needed /run/patchgate/zypper-reboot; do
  [ -e $flag ] && echo "flag $flag"
done
zypper --non-interactive needs-rebooting < /dev/null > /dev/null 2>&1
echo "needs-rebooting $?"
zypper --non-interactive ps -sss < /dev/null 2> /dev/null | grep -E '^[A-Za-z0-9@_.:-]+$' | head -n 200 | sed 's/^/stale /'
# What the next boot loads, written since this boot began.
btime=$(sed -n 's/^btime //p' /proc/stat)
for folder in /boot /lib/modules/ /usr/lib/modules/; do
  file=$(find "$folder" -type f -newerct "@$btime" ! -name 'grubenv*' ! -name 'modules.*' -print -quit 2> /dev/null)
  [ -n "$file" ] && echo "boot $file"
done
echo end
exit 0
