# shellcheck shell=sh
# sfdisk reads its script from standard input only.
exec sfdisk -q "$1" < "$2"
