//! One machine of a descriptor: each item of its hardware is understood, or said.

use roxmltree::Node;

use crate::image::bundle::error::{listed, shown};
use crate::image::bundle::ovf::item::{Item, Kind, attribute, settings};
use crate::image::bundle::ovf::models::{bus, card};
use crate::image::bundle::ovf::units;
use crate::image::bundle::ovf::virtualbox;
use crate::image::bundle::shared::{NO_STATE, mac};
use crate::model::hardware::{DiskBus, Firmware, Machine as Board, NicHardware, Wishes};
use crate::units::Mib;

/// Cards and disks of one machine.
const MOST: usize = 256;
/// vCPUs of one machine.
const MOST_VCPUS: u32 = 1024;
/// Items of one machine.
const MOST_ITEMS: usize = 4096;

/// A machine before its disks are looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Machine {
    /// Its disks, the one that it boots from first.
    pub drives: Vec<Drive>,
    /// Its hardware.
    pub hardware: Wishes,
    /// Its cards, in their order.
    pub nics: Vec<NicHardware>,
    /// Its memory.
    pub memory: Option<Mib>,
    /// Its vCPUs.
    pub vcpus: Option<u32>,
    /// What the admin should know.
    pub said: Vec<String>,
}

/// A disk that is attached to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drive {
    /// What it is called.
    pub name: String,
    /// What it is made of.
    pub content: Content,
    /// What it is attached to, as far as that is told.
    pub bus: Option<DiskBus>,
}

/// What a disk is made of, by ids of the descriptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A disk of its disk section.
    Disk(String),
    /// A file of its references.
    File(String),
}

/// Reads the machine of a `VirtualSystem`. Items of other configurations than the default one are left out.
pub fn read(system: Node<'_, '_>, configuration: Option<&str>) -> Machine {
    let mut machine = Machine::default();
    let mut sections = system
        .children()
        .filter(|node| node.tag_name().name() == "VirtualHardwareSection");
    let Some(section) = sections.next() else {
        machine
            .said
            .push("the descriptor tells nothing of its hardware".to_owned());
        return machine;
    };
    if sections.next().is_some() {
        machine
            .said
            .push("the descriptor has several sets of hardware, of which the first is taken".to_owned());
    }
    let items: Vec<Item<'_>> = section
        .children()
        .filter(|node| {
            matches!(
                node.tag_name().name(),
                "Item" | "StorageItem" | "EthernetPortItem"
            )
        })
        .filter(|node| counts(*node, configuration))
        .take(MOST_ITEMS + 1)
        .map(Item::of)
        .collect();
    if items.len() > MOST_ITEMS {
        machine.said.push(format!(
            "of its hardware only the first {MOST_ITEMS} items are read"
        ));
    }
    let family = section
        .descendants()
        .find(|node| node.tag_name().name() == "VirtualSystemType")
        .and_then(|node| node.text())
        .unwrap_or_default();
    processors(&items, &mut machine);
    memory(&items, &mut machine);
    drives(&items, boots_from(system), &mut machine);
    cards(&items, &mut machine);
    firmware(&settings(section), family, &mut machine);
    others(&items, &mut machine);
    virtualbox::read(
        system,
        &mut machine.hardware,
        &mut machine.nics,
        &mut machine.said,
    );
    if machine.drives.iter().any(|drive| drive.bus == Some(DiskBus::Ide)) {
        machine.hardware.machine = Some(Board::Pc);
    }
    machine.hardware.disk_bus = machine.drives.first().and_then(|drive| drive.bus);
    machine.hardware.nic = machine.nics.first().and_then(|nic| nic.model);
    machine
}

/// Whether an item is one of this configuration's, and no mere bound (DSP0243, 8.4 and 9.8).
fn counts(node: Node<'_, '_>, configuration: Option<&str>) -> bool {
    let here = attribute(node, "configuration")
        .is_none_or(|names| names.split_whitespace().any(|name| configuration == Some(name)));
    here && attribute(node, "bound").is_none_or(|bound| bound == "normal")
}

/// The number of the disk that VMware boots from, where the export says so.
fn boots_from<'a>(system: Node<'a, '_>) -> Option<&'a str> {
    let mut orders = system
        .descendants()
        .filter(|node| node.tag_name().name() == "BootOrderSection");
    let disk = orders.find(|node| attribute(*node, "type") == Some("disk"))?;
    attribute(disk, "instanceId")
}

fn processors(items: &[Item<'_>], machine: &mut Machine) {
    let count = items.iter().find(|item| item.kind == Kind::Processor);
    let Some(count) = count.and_then(|item| item.quantity) else {
        return;
    };
    machine.vcpus = u32::try_from(count)
        .ok()
        .filter(|count| (1..=MOST_VCPUS).contains(count));
    if machine.vcpus.is_none() {
        machine
            .said
            .push(format!("its number of vCPUs, {count}, is none that a clone has"));
    }
}

fn memory(items: &[Item<'_>], machine: &mut Machine) {
    let Some(item) = items.iter().find(|item| item.kind == Kind::Memory) else {
        return;
    };
    let Some(quantity) = item.quantity else {
        machine.said.push("its memory is not told as a number".to_owned());
        return;
    };
    // Who leaves the unit out means MiB, and sometimes bytes; no machine has a TiB, or less than a MiB.
    let unit = match item.units {
        Some(unit) => units::bytes(unit),
        None if quantity < 1 << 20 => Some(1 << 20),
        None => Some(1),
    };
    let bytes = unit.and_then(|unit| quantity.checked_mul(unit));
    machine.memory = bytes.map(|bytes| Mib(bytes >> 20)).filter(|memory| memory.0 > 0);
    if machine.memory.is_none() {
        machine.said.push(format!(
            "its memory is {quantity} in {}, which is not understood",
            shown(item.units.unwrap_or("no unit"))
        ));
    }
}

/// The disks, by their controller's address and their place on it.
fn drives(items: &[Item<'_>], boots_from: Option<&str>, machine: &mut Machine) {
    let is_controller = |item: &&Item<'_>| match item.kind {
        Kind::Ide | Kind::Scsi | Kind::Storage => true,
        Kind::Processor | Kind::Memory | Kind::Card | Kind::Disk | Kind::Screen | Kind::Other => false,
    };
    let mut controllers: Vec<&Item<'_>> = items.iter().filter(is_controller).collect();
    controllers.sort_by_key(|item| address(item));
    let mut found: Vec<((bool, usize, u64), Drive)> = Vec::new();
    let mut replaced: Vec<&str> = Vec::new();
    for item in items.iter().filter(|item| item.kind == Kind::Disk) {
        let Some(content) = item.resource.and_then(content) else {
            machine.said.push(format!(
                "its disk {} has no content in the export, and is left out",
                shown(&item.name)
            ));
            continue;
        };
        let place = controllers
            .iter()
            .position(|controller| Some(controller.id) == item.parent);
        let controller = place.map(|place| controllers[place]);
        let bus = controller.and_then(bus);
        match controller {
            Some(controller) if bus.is_none() => machine.said.push(format!(
                "the controller {} of its disk {} is not known: {}",
                shown(&controller.name),
                shown(&item.name),
                shown(controller.model)
            )),
            Some(controller) if bus == Some(DiskBus::Scsi) && !is_virtio(controller) => {
                let model = Some(controller.model).filter(|model| !model.is_empty());
                replaced.push(model.unwrap_or("SCSI"));
            }
            Some(_) => {}
            None => machine.said.push(format!(
                "the controller of its disk {} is not told",
                shown(&item.name)
            )),
        }
        let order = (
            boots_from != Some(item.id),
            place.unwrap_or(usize::MAX),
            item.unit.unwrap_or(u64::MAX),
        );
        found.push((
            order,
            Drive {
                name: item.name.clone(),
                content,
                bus,
            },
        ));
    }
    found.sort_by_key(|(order, _)| *order);
    machine.drives = found.into_iter().map(|(_, drive)| drive).collect();
    if machine.drives.len() > MOST {
        machine.drives.truncate(MOST);
        machine
            .said
            .push(format!("of its disks only the first {MOST} are taken"));
    }
    replaced.sort_unstable();
    replaced.dedup();
    if !replaced.is_empty() {
        machine.said.push(format!(
            "its disks were on {}, and without --disk-bus are on virtio-scsi in clones: its initramfs must have that driver",
            listed(replaced)
        ));
    }
}

/// A controller's place among those of its kind.
fn address(item: &Item<'_>) -> u64 {
    let address = item.address.and_then(|address| address.parse().ok());
    address.unwrap_or(u64::MAX)
}

fn is_virtio(controller: &Item<'_>) -> bool {
    controller.model.to_ascii_lowercase().contains("virtio")
}

/// `ovf:/disk/ID`, `/disk/ID` or `ovf:/file/ID`.
fn content(resource: &str) -> Option<Content> {
    let path = resource.strip_prefix("ovf:").unwrap_or(resource);
    let (kind, id) = path.trim_start_matches('/').split_once('/')?;
    match kind {
        "disk" => Some(Content::Disk(id.to_owned())),
        "file" => Some(Content::File(id.to_owned())),
        _ => None,
    }
}

fn cards(items: &[Item<'_>], machine: &mut Machine) {
    for item in items.iter().filter(|item| item.kind == Kind::Card).take(MOST) {
        let (model, said) = card(item.model);
        if let Some(said) = said {
            machine.said.push(format!(
                "its card {} is {}: {said}",
                shown(&item.name),
                shown(item.model)
            ));
        }
        let slot = item
            .settings
            .iter()
            .find(|(key, _)| *key == "slotInfo.pciSlotNumber")
            .map(|(_, slot)| *slot);
        if let Some(slot) = slot.filter(|slot| slot.parse::<u32>().is_ok()) {
            machine.said.push(format!(
                "its card {} was in slot {slot}, so that Linux called it ens{slot}; in clones it has another place",
                shown(&item.name)
            ));
        }
        machine.nics.push(NicHardware {
            model,
            mac: item.address.and_then(mac),
            slot: None,
        });
    }
}

/// VMware's own words for the firmware; where it writes none, it is BIOS.
fn firmware(settings: &[(&str, &str)], family: &str, machine: &mut Machine) {
    let setting = |key: &str| {
        settings
            .iter()
            .find(|(known, _)| *known == key)
            .map(|(_, value)| *value)
    };
    let secure =
        setting("bootOptions.efiSecureBootEnabled").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    machine.hardware.firmware = match setting("firmware") {
        Some("efi") if secure => Some(Firmware::UefiSecure),
        Some("efi") => Some(Firmware::Uefi),
        Some("bios") => Some(Firmware::Bios),
        Some(other) => {
            machine
                .said
                .push(format!("its firmware is not known: {}", shown(other)));
            None
        }
        None => family.contains("vmx-").then_some(Firmware::Bios),
    };
    if setting("nvram").is_some() {
        machine.said.push(
            "its NVRAM is in a form of VMware's own and is left out: each clone begins with that of its firmware".to_owned(),
        );
    }
}

/// What clones have nothing for.
fn others(items: &[Item<'_>], machine: &mut Machine) {
    let (tpms, others): (Vec<&Item<'_>>, Vec<&Item<'_>>) = items
        .iter()
        .filter(|item| item.kind == Kind::Other)
        .partition(|item| item.model.to_ascii_lowercase().ends_with("vtpm"));
    if !tpms.is_empty() {
        machine.hardware.tpm = Some(true);
        machine.said.push(NO_STATE.to_owned());
    }
    if !others.is_empty() {
        let names = others.iter().map(|item| item.name.as_str());
        machine.said.push(format!("left out: {}", listed(names)));
    }
}
