# shellcheck shell=sh
# What a log-in would set, and nothing more.
IFS=: read -r USER _ _ _ _ HOME SHELL <<PATCHGATE
$(getent passwd "$(id -u)")
PATCHGATE
LOGNAME=$USER
export USER LOGNAME HOME SHELL
exec "$@"
