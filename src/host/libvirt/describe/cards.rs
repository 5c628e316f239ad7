//! A VM's network cards.

use crate::host::libvirt::xml::{Element, element};
use crate::model::hardware::{Machine, NicModel};
use crate::port::{Nic, VmSpec};

/// A place on the PCI bus.
#[derive(Clone, Copy)]
struct Slot {
    domain: u32,
    bus: u32,
    device: u32,
    function: u32,
}

/// The place that a text says, `0000:01:00.0`; nothing where it is none.
fn slot(text: &str) -> Option<Slot> {
    let (rest, function) = text.split_once('.')?;
    let mut parts = rest.split(':').map(|part| u32::from_str_radix(part, 16).ok());
    let read = Slot {
        domain: parts.next()??,
        bus: parts.next()??,
        device: parts.next()??,
        function: u32::from_str_radix(function, 16).ok()?,
    };
    let is_one = read.bus <= 0xff && read.device <= 0x1f && read.function <= 7;
    (parts.next().is_none() && is_one).then_some(read)
}

/// The ports behind which cards keep their places: on PCI Express each bus beyond the first is one card's, and a guest counts
/// them in the order of their ports, so that none before it may be missing.
pub fn ports(spec: &VmSpec) -> Vec<Element> {
    match spec.hardware.machine {
        Machine::Pc => return Vec::new(),
        Machine::Q35 => {}
    }
    let places = spec.nics.iter().filter_map(|nic| slot(nic.slot.as_deref()?));
    let alone = places.filter(|place| place.bus > 0 && place.device == 0);
    let last = alone.map(|place| place.bus).max().unwrap_or(0);
    let port = |bus: u32| {
        element("controller")
            .with("type", "pci")
            .with("index", bus)
            .with("model", "pcie-root-port")
    };
    (1..=last).map(port).collect()
}

/// A card.
pub fn interface(nic: &Nic) -> Element {
    let interface = match &nic.network {
        Some(network) => element("interface")
            .with("type", "network")
            .child(element("source").with("network", network)),
        None => element("interface").with("type", "user"),
    }
    .child(element("mac").with("address", &nic.mac))
    .child(element("model").with(
        "type",
        match nic.model {
            NicModel::Virtio => "virtio",
            NicModel::E1000 => "e1000",
            NicModel::E1000e => "e1000e",
            NicModel::Rtl8139 => "rtl8139",
            NicModel::Vmxnet3 => "vmxnet3",
        },
    ))
    // Without a boot ROM the firmware does not look for a network to boot from.
    .child(element("rom").with("enabled", "no"))
    .children(nic.slot.as_deref().and_then(slot).map(address))
    .children(nic.apart.then(|| element("port").with("isolated", "yes")));
    match &nic.filter {
        Some(filter) => {
            let address = element("parameter")
                .with("name", "IP")
                .with("value", filter.address);
            interface.child(element("filterref").with("filter", &filter.name).child(address))
        }
        None => interface,
    }
}

fn address(place: Slot) -> Element {
    element("address")
        .with("type", "pci")
        .with("domain", format!("{:#06x}", place.domain))
        .with("bus", format!("{:#04x}", place.bus))
        .with("slot", format!("{:#04x}", place.device))
        .with("function", format!("{:#x}", place.function))
}
