//! What of a domain no clone has, in words.

use roxmltree::Node;

use crate::image::domain_xml::xml::{child, children, is, of_child, quoted, text};

/// What is read elsewhere, or is the host's own business and nothing that a guest is tied to.
const DEVICES: [&str; 15] = [
    "audio",
    "controller",
    "disk",
    "emulator",
    "graphics",
    "hub",
    "input",
    "interface",
    "iommu",
    "memballoon",
    "panic",
    "sound",
    "tpm",
    "video",
    "rng",
];

/// The same of what stands beside the devices.
const DOMAIN: [&str; 33] = [
    "blkiotune",
    "clock",
    "cpu",
    "cputune",
    "currentMemory",
    "defaultiothread",
    "description",
    "devices",
    "features",
    "genid",
    "iothreadids",
    "iothreads",
    "maxMemory",
    "memory",
    "memoryBacking",
    "memtune",
    "metadata",
    "name",
    "numatune",
    "on_crash",
    "on_lockfailure",
    "on_poweroff",
    "on_reboot",
    "os",
    "perf",
    "pm",
    "resource",
    "seclabel",
    "throttlegroups",
    "title",
    "uuid",
    "vcpu",
    "vcpus",
];

/// The channel that each clone has of its own.
const AGENT: &str = "org.qemu.guest_agent.0";

/// Says what of the devices no clone has.
pub fn say_devices(devices: Node<'_, '_>, said: &mut Vec<String>) {
    for node in devices.children().filter(Node::is_element) {
        let name = node.tag_name().name();
        match name {
            "filesystem" => {
                let source = source(node, &["dir", "file", "name", "socket"]);
                said.push(format!("its share of the host's folder {source} is in no clone"));
            }
            "hostdev" => said.push(format!("the host's device {} is in no clone", hostdev(node))),
            "redirdev" => said.push("the USB device that is passed to it is in no clone".to_owned()),
            "serial" | "console" | "parallel" | "channel" => say_line(node, said),
            "watchdog" => said.push(format!(
                "its watchdog ({}, which does {}) is in no clone",
                quoted(node.attribute("model").unwrap_or_default()),
                quoted(node.attribute("action").unwrap_or("reset"))
            )),
            "rng" if of_child(node, "backend", "model") == Some("egd") => {
                said.push("its source of randomness on the host is in no clone".to_owned());
            }
            "graphics" if has_socket(node) => said.push("its screen's socket is in no clone".to_owned()),
            _ if DEVICES.contains(&name) && is(node, name) => {}
            _ => said.push(format!("its device <{}> is in no clone", short(name))),
        }
    }
}

/// Says what beside the devices no clone has.
pub fn say_domain(domain: Node<'_, '_>, said: &mut Vec<String>) {
    for node in domain.children().filter(Node::is_element) {
        let name = node.tag_name().name();
        match name {
            "commandline" if !is(node, name) => {
                let words = node.children().filter_map(|node| {
                    let word = node.attribute("value").or_else(|| node.attribute("name"))?;
                    Some(quoted(word))
                });
                let words: Vec<String> = words.take(8).collect();
                said.push(format!(
                    "its own arguments for QEMU ({}) are in no clone",
                    words.join(" ")
                ));
            }
            "sysinfo" => said.push(
                "what its firmware says of its maker and serial number is in no clone; a licence that is tied to it may be missed"
                    .to_owned(),
            ),
            "launchSecurity" => said.push("its memory is encrypted there, and in no clone".to_owned()),
            "os" => {
                for part in ["kernel", "initrd", "dtb"] {
                    if let Some(file) = child(node, part).and_then(text) {
                        said.push(format!(
                            "it is begun with {part} {} of the host; clones boot from their disk",
                            quoted(file)
                        ));
                    }
                }
            }
            _ if DOMAIN.contains(&name) && is(node, name) => {}
            _ => said.push(format!("its <{}> is in no clone", short(name))),
        }
    }
}

/// A line to the host: one that only libvirt's own terminal is at is every clone's too.
fn say_line(node: Node<'_, '_>, said: &mut Vec<String>) {
    let name = of_child(node, "target", "name");
    let kind = node.attribute("type").unwrap_or("pty");
    let called = node.tag_name().name();
    if let Some(log) = of_child(node, "log", "file") {
        said.push(format!(
            "the log of its {called}, {}, is written by no clone",
            quoted(log)
        ));
    }
    if name == Some(AGENT)
        || matches!(
            kind,
            "pty" | "stdio" | "null" | "vc" | "spicevmc" | "qemu-vdagent"
        )
    {
        return;
    }
    let source = source(node, &["path", "channel", "host", "service"]);
    let of = name.map_or_else(String::new, |name| format!(" {}", quoted(name)));
    said.push(format!("its {called}{of} to {kind} {source} is in no clone"));
}

fn source(node: Node<'_, '_>, attributes: &[&str]) -> String {
    let sources = children(node, "source");
    let mut said = sources.filter_map(|source| attributes.iter().find_map(|name| source.attribute(*name)));
    said.next().map_or_else(|| "without a name".to_owned(), quoted)
}

fn hostdev(node: Node<'_, '_>) -> String {
    let kind = node.attribute("type").unwrap_or("unknown");
    let source = child(node, "source");
    let address = source.and_then(|source| child(source, "address"));
    let part = |name: &str| {
        let text = address.and_then(|address| address.attribute(name))?;
        Some(text.trim_start_matches("0x").to_owned())
    };
    match (part("domain"), part("bus"), part("slot"), part("function")) {
        (Some(domain), Some(bus), Some(slot), Some(function)) => {
            quoted(&format!("{kind} {domain}:{bus}:{slot}.{function}"))
        }
        _ => quoted(kind),
    }
}

fn has_socket(node: Node<'_, '_>) -> bool {
    node.attribute("socket").is_some()
        || children(node, "listen").any(|listen| listen.attribute("type") == Some("socket"))
}

fn short(name: &str) -> String {
    quoted(name).trim_matches('`').to_owned()
}
