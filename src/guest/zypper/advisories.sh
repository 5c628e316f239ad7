# shellcheck shell=bash
# Follows zypper.sh. What is installed, which patches.sh, which follows, has to do with.
said=$(rpm -qa --qf '%{NAME}|%{EPOCHNUM}|%{VERSION}|%{RELEASE}|%{ARCH}\n'); part installed $? "$said"
