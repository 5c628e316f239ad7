//! What VirtualBox says beside the standard: a machine of its own settings file, in `vbox:Machine`
//! (<https://www.virtualbox.org/manual/>, of its XML schema `VirtualBox-settings.xsd`).

use roxmltree::Node;

use crate::image::bundle::error::shown;
use crate::image::bundle::ovf::item::attribute;
use crate::image::bundle::shared::{NO_STATE, mac};
use crate::model::hardware::{Clock, Firmware, Machine, NicHardware, Wishes};

/// Places on the PCI bus of the cards of both its boards.
const SLOTS: [&str; 4] = ["0000:00:03.0", "0000:00:08.0", "0000:00:09.0", "0000:00:0a.0"];

fn child<'a, 'b>(node: Node<'a, 'b>, name: &str) -> Option<Node<'a, 'b>> {
    node.children().find(|child| child.tag_name().name() == name)
}

/// Adds what it says to what the standard's own part said.
pub fn read(system: Node<'_, '_>, hardware: &mut Wishes, nics: &mut [NicHardware], said: &mut Vec<String>) {
    let Some(settings) = child(system, "Machine").and_then(|machine| child(machine, "Hardware")) else {
        return;
    };
    hardware.firmware = Some(firmware(settings, said));
    match child(settings, "Chipset").and_then(|chipset| attribute(chipset, "type")) {
        Some("PIIX3") => hardware.machine = Some(Machine::Pc),
        Some("ICH9") => hardware.machine = Some(Machine::Q35),
        Some(other) => said.push(format!("its chipset is not known: {}", shown(other))),
        None => {}
    }
    match child(settings, "TrustedPlatformModule").and_then(|tpm| attribute(tpm, "type")) {
        None | Some("None") => {}
        Some("v2_0") => {
            hardware.tpm = Some(true);
            said.push(NO_STATE.to_owned());
        }
        Some(other) => said.push(format!(
            "its TPM is left out, since clones have none of type {}",
            shown(other)
        )),
    }
    match child(settings, "RTC").and_then(|clock| attribute(clock, "localOrUTC")) {
        Some("local") => hardware.clock = Some(Clock::Localtime),
        Some("UTC") => hardware.clock = Some(Clock::Utc),
        Some(_) | None => {}
    }
    cards(settings, nics);
}

fn firmware(settings: Node<'_, '_>, said: &mut Vec<String>) -> Firmware {
    let kind = child(settings, "Firmware").and_then(|firmware| attribute(firmware, "type"));
    let secure = settings.descendants().any(|node| {
        node.tag_name().name().eq_ignore_ascii_case("SecureBoot")
            && attribute(node, "enabled") == Some("true")
    });
    match kind {
        None | Some("BIOS") => Firmware::Bios,
        Some(kind) if kind.starts_with("EFI") && secure => Firmware::UefiSecure,
        Some(kind) if kind.starts_with("EFI") => Firmware::Uefi,
        Some(other) => {
            said.push(format!("its firmware is not known: {}", shown(other)));
            Firmware::Bios
        }
    }
}

/// The cards of the standard's part are the ones that are plugged in, in the order of their slots.
fn cards(settings: Node<'_, '_>, nics: &mut [NicHardware]) {
    let Some(network) = child(settings, "Network") else {
        return;
    };
    let mut adapters: Vec<(usize, Node<'_, '_>)> = network
        .children()
        .filter(|node| node.tag_name().name() == "Adapter" && attribute(*node, "enabled") == Some("true"))
        .filter_map(|node| Some((attribute(node, "slot")?.parse().ok()?, node)))
        .collect();
    adapters.sort_by_key(|(slot, _)| *slot);
    if adapters.len() != nics.len() {
        return;
    }
    for (nic, (slot, adapter)) in nics.iter_mut().zip(adapters) {
        nic.mac = nic
            .mac
            .take()
            .or_else(|| attribute(adapter, "MACAddress").and_then(mac));
        nic.slot = SLOTS.get(slot).map(|&place| place.to_owned());
    }
}
