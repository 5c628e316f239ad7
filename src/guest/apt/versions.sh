# shellcheck shell=bash
# What the archives are, and every version that they have of the packages after $0.
apt-cache policy && exec apt-cache policy "$@"
