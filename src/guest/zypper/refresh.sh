# shellcheck shell=bash
# Follows zypper.sh.
zyp refresh
ended $?
