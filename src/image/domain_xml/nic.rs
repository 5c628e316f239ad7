//! A domain's cards.

use roxmltree::Node;

use crate::image::domain_xml::xml::{child, children, of_child, quoted};
use crate::model::hardware::{NicHardware, NicModel};

/// Its cards, in their order; what they are connected to is said and not taken.
pub fn nics(devices: Node<'_, '_>, said: &mut Vec<String>) -> Vec<NicHardware> {
    children(devices, "interface")
        .map(|node| nic(node, said))
        .collect()
}

fn nic(node: Node<'_, '_>, said: &mut Vec<String>) -> NicHardware {
    let mac = of_child(node, "mac", "address").and_then(mac_of);
    let called = mac.clone().unwrap_or_else(|| "without an address".to_owned());
    let kind = node.attribute("type").unwrap_or_default();
    let source = child(node, "source").and_then(|source| {
        ["bridge", "network", "dev", "path", "portgroup", "address"]
            .into_iter()
            .find_map(|name| source.attribute(name))
    });
    let there = match source {
        Some(source) => format!("{kind} {}", quoted(source)),
        None => quoted(kind),
    };
    said.push(format!(
        "its card {called} is on {there}, which no clone reaches: there it is on the arm's own wire"
    ));
    let model = of_child(node, "model", "type");
    let known = model_of(model);
    if known.is_none() {
        said.push(format!(
            "its card {called} is {}, which clones do not have; it is virtio there",
            quoted(model.unwrap_or(kind))
        ));
    }
    // A card of the host's own is a device of its maker's, whatever the description calls it.
    if kind == "hostdev" {
        said.push(format!(
            "its card {called} is a device of the host's; clones have virtio"
        ));
    }
    NicHardware {
        model: Some(if kind == "hostdev" {
            NicModel::Virtio
        } else {
            known.unwrap_or_default()
        }),
        mac,
        slot: child(node, "address").and_then(slot),
    }
}

fn model_of(model: Option<&str>) -> Option<NicModel> {
    Some(match model {
        // What libvirt gives to a card of an x86 machine without a word on it.
        None | Some("rtl8139") => NicModel::Rtl8139,
        Some("virtio" | "virtio-transitional" | "virtio-non-transitional" | "virtio-net-pci") => {
            NicModel::Virtio
        }
        Some("e1000" | "e1000-82540em") => NicModel::E1000,
        Some("e1000e") => NicModel::E1000e,
        Some("vmxnet3") => NicModel::Vmxnet3,
        Some(_) => return None,
    })
}

/// A card's own address: six bytes, of which the first is of no group.
fn mac_of(text: &str) -> Option<String> {
    let byte = |part: &str| {
        let is_hex = part.len() == 2 && part.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_hex.then(|| u8::from_str_radix(part, 16).ok()).flatten()
    };
    let bytes: Vec<u8> = text.split(':').map(byte).collect::<Option<_>>()?;
    let own = bytes.len() == 6 && bytes.first().is_some_and(|first| first & 1 == 0);
    own.then(|| text.to_ascii_lowercase())
}

/// Its place on the PCI bus, `0000:01:00.0`.
fn slot(address: Node<'_, '_>) -> Option<String> {
    if address.attribute("type") != Some("pci") {
        return None;
    }
    let part = |name: &str, most: u32| {
        let text = address.attribute(name).unwrap_or("0x0");
        let number = match text.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        };
        number.filter(|number| *number <= most)
    };
    Some(format!(
        "{:04x}:{:02x}:{:02x}.{:x}",
        part("domain", 0xffff)?,
        part("bus", 0xff)?,
        part("slot", 0x1f)?,
        part("function", 7)?
    ))
}
