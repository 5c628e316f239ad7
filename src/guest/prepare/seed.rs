//! What cloud-init is given for one boot (<https://cloudinit.readthedocs.io/en/latest/reference/datasources/nocloud.html>): to install
//! the agent and to power off. Of its modules those alone run that do this, so that host keys, users, host name, sources and disks
//! stay what they are.

use serde_json::json;

use crate::guest::apt::install_agent;
use crate::guest::identity::Way;

/// The label of a volume that cloud-init looks for.
pub const LABEL: &str = "CIDATA";

/// Minutes that cloud-init may take to end once the guest is to be powered off.
const END: u32 = 5;

/// The files of a seed, by name. `id` names the instance that it is, `machine` is [`super::Inside::machine`].
pub fn files(id: &str, way: &Way, proxy: &str, machine: &str) -> [(&'static str, String); 3] {
    [
        ("user-data", user_data(way, proxy, machine)),
        ("meta-data", format!("instance-id: patchgate-{id}\n")),
        // The guest's network is whatever it is; a card without an address gets one from the script.
        ("network-config", "version: 1\nconfig: disabled\n".to_owned()),
    ]
}

/// JSON is YAML too.
fn user_data(way: &Way, proxy: &str, machine: &str) -> String {
    let (address, gateway) = (way.address.to_string(), way.gateway.to_string());
    let script = install_agent();
    let words = [
        "/bin/bash",
        "-c",
        &script,
        "patchgate",
        proxy,
        &way.mac,
        &address,
        &gateway,
        machine,
    ];
    let config = json!({
        "cloud_init_modules": [],
        "cloud_config_modules": ["runcmd"],
        "cloud_final_modules": ["scripts-user", "power-state-change"],
        "ssh_deletekeys": false,
        "preserve_hostname": true,
        "runcmd": [words],
        "power_state": { "mode": "poweroff", "delay": "now", "timeout": END * 60 },
    });
    format!("#cloud-config\n{config:#}\n")
}
