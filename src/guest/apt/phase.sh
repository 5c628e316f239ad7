# shellcheck shell=bash
# `phase`: whose turn a phased update is (apt_preferences(5)), as options. It is drawn by the machine's id: by that of the
# machine which a clone stands for, where the clone was given another. An id that was made in a clone's own boot is that of no
# machine, and of what is phased nothing can be said to be its turn.
# shellcheck disable=SC2034 # read by what follows
phase=()
turn=/run/patchgate/machine-id
if [ -e $turn ]; then
  id=$(cat $turn)
elif [ "$(stat -c %Y /etc/machine-id)" -ge "$(sed -n 's/^btime //p' /proc/stat)" ] 2> /dev/null; then
  id=
else
  id=its
fi
own=$([ "$id" = its ] || apt-config dump | grep -E '^(APT::Machine-ID|(APT::Get|Update-Manager)::(Always|Never)-Include-Phased-Updates) "[^"]')
case $id:$own in
  its:*) ;;
  :) phase=(-o APT::Get::Never-Include-Phased-Updates=true) ;;
  *:) phase=(-o "APT::Machine-ID=$id") ;;
esac
