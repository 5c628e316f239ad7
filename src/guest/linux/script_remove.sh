# shellcheck shell=bash
rm -rf -- "${1%/*}"
