# shellcheck shell=sh
ip link set lo up && exec "$@"
