# shellcheck shell=bash
exec 3<>"/dev/tcp/$1/$2"
