# shellcheck shell=bash
stat -L -c 'file %i %s' -- "$1" 2>/dev/null || echo absent
