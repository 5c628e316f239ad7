# shellcheck shell=bash
# Nothing of the guest's own reads the sources, installs or removes beside a run (dnf-automatic(8), packagekitd(8), snapd(8)):
# until the next boot, and without a trace that outlasts it. What runs already is waited for by whoever needs its locks.
noisy=() timers=()
for unit in dnf-automatic{,-install,-download,-notifyonly}.{timer,service} dnf-makecache.{timer,service} \
  dnf5-automatic.{timer,service} dnf5-makecache.{timer,service} yum-cron.service yum-updatesd.service packagekit.service \
  packagekit-offline-update.service purge-kernels.service snapd.service snapd.socket snapd.refresh.timer; do
  for folder in /usr/lib/systemd/system /lib/systemd/system; do
    if [ ! -e "$folder/$unit" ] || [ -L "/etc/systemd/system/$unit" ] || [ -L "/run/systemd/system/$unit" ]; then continue; fi
    noisy+=("$unit")
    case $unit in *.timer | packagekit.service | snapd.*) timers+=("$unit") ;; esac
    break
  done
done
[ ${#noisy[@]} = 0 ] || systemctl mask --runtime "${noisy[@]}" > /dev/null 2>&1 || true
[ ${#timers[@]} = 0 ] || systemctl stop "${timers[@]}" > /dev/null 2>&1 || true
