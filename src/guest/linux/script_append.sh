# shellcheck shell=bash
set -e; cat >> "$1"
