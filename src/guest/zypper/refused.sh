# shellcheck shell=bash
# What is no system of single packages, or has no updates that `zypper update` takes, is refused in one sentence.
refused=
if [ -e /run/ostree-booted ]; then
  refused="it is made of whole images (ostree, bootc), whose updates are no packages"
elif command -v transactional-update > /dev/null 2>&1 && [[ ,$(awk '$2 == "/" { print $4 }' /proc/mounts | tail -n 1), = *,ro,* ]]; then
  refused="its root is read-only and changed by transactional-update, whose updates are whole snapshots"
else
  # shellcheck source=/dev/null
  case $([ -r /etc/os-release ] && . /etc/os-release && echo "$ID") in
    opensuse-tumbleweed | opensuse-slowroll)
      refused="it is a rolling distribution, which only \`zypper dup\` keeps up to date, and no set of single updates" ;;
    *micro* | *kalpa* | *aeon*) refused="it is changed by transactional-update, whose updates are whole snapshots" ;;
  esac
fi
[ -z "$refused" ] || { echo "patchgate: refused: $refused" >&2; exit 9; }
