# shellcheck shell=bash
# cloud-init is there and has never run: a seed can still install the agent.
basics no-agent
add openssl grub-pc cloud-init
ifupdown_dhcp
