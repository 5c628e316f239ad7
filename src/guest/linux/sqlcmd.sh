# shellcheck shell=bash
PATH="$PATH:/opt/mssql-tools18/bin:/opt/mssql-tools/bin"; exec sqlcmd "$@"
