# shellcheck shell=bash
# Nothing of the guest's own reads the sources or installs beside a run (apt-daily(8)): until the next boot, and without a
# trace that outlasts it. What runs already is waited for by whoever needs its locks.
noisy=()
for unit in apt-daily.timer apt-daily-upgrade.timer apt-daily.service apt-daily-upgrade.service; do
  [ -e "/lib/systemd/system/$unit" ] && [ ! -L "/etc/systemd/system/$unit" ] && [ ! -L "/run/systemd/system/$unit" ] && noisy+=("$unit")
done
[ ${#noisy[@]} = 0 ] || { systemctl mask --runtime "${noisy[@]}"; systemctl stop apt-daily.timer apt-daily-upgrade.timer; } > /dev/null 2>&1 || true
