# shellcheck shell=bash
exec "$(command -v mariadb || command -v mysql || echo mysql)" "$@"
