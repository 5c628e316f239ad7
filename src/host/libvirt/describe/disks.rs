//! A VM's disks.

use crate::host::libvirt::xml::{Element, element};
use crate::model::hardware::{DiskBus, DiskHardware};
use crate::port::VmSpec;

/// A VM's disks, and what else is to be said of them.
pub struct Drives {
    /// The disks, and what they are attached to where libvirt does not add it by itself.
    pub elements: Vec<Element>,
    /// What QEMU is told of them in other words than libvirt's
    /// (<https://libvirt.org/drvqemu.html#overriding-properties-of-qemu-devices>).
    pub overrides: Option<Element>,
}

/// A VM's disks, which are those files.
pub fn drives(spec: &VmSpec, files: &[String]) -> Drives {
    let bus = |disk: &DiskHardware| disk.bus.unwrap_or(spec.hardware.disk_bus);
    let disks: Vec<(DiskBus, &DiskHardware)> = spec
        .disks
        .iter()
        .map(|disk| (bus(&disk.hardware), &disk.hardware))
        .collect();
    let mut controllers: Vec<&'static str> = Vec::new();
    for model in disks.iter().filter_map(|(bus, _)| bus.scsi()) {
        if !controllers.contains(&model) {
            controllers.push(model);
        }
    }
    let mut elements = Vec::new();
    let mut overrides = Vec::new();
    for (at, ((bus, hardware), file)) in disks.iter().zip(files).enumerate() {
        // Buses share names, and disks of a bus are counted by their own.
        let before = |like: fn(DiskBus, DiskBus) -> bool| {
            disks
                .iter()
                .take(at)
                .filter(|(other, _)| like(*other, *bus))
                .count()
        };
        let place = Place {
            at,
            named: before(|one, other| prefix(one) == prefix(other)),
            on_bus: before(|one, other| one == other),
            controller: bus
                .scsi()
                .and_then(|model| controllers.iter().position(|other| *other == model)),
        };
        elements.push(disk(&place, *bus, hardware, file));
        overrides.extend(overriding(at, *bus, hardware));
    }
    let controllers = controllers.iter().enumerate();
    elements.extend(controllers.map(|(index, model)| {
        element("controller")
            .with("type", "scsi")
            .with("index", index)
            .with("model", *model)
    }));
    Drives {
        elements,
        overrides: (!overrides.is_empty()).then(|| element("qemu:override").children(overrides)),
    }
}

/// Where a disk is, from 0.
struct Place {
    /// Among all disks.
    at: usize,
    /// Among those whose names begin alike.
    named: usize,
    /// Among those of its bus.
    on_bus: usize,
    /// That of its controller, of SCSI.
    controller: Option<usize>,
}

/// How the names of disks begin.
fn prefix(bus: DiskBus) -> &'static str {
    match spoken(bus) {
        "virtio" => "vd",
        "ide" => "hd",
        _ => "sd",
    }
}

/// The name of a disk of that place, from 0: `vda`.
pub(super) fn device(bus: DiskBus, at: usize) -> String {
    let mut letters = String::new();
    let mut rest = at + 1;
    while let Some(more) = rest.checked_sub(1) {
        letters.insert(0, char::from(b'a' + u8::try_from(more % 26).unwrap_or(0)));
        rest = more / 26;
    }
    format!("{}{letters}", prefix(bus))
}

fn disk(place: &Place, bus: DiskBus, hardware: &DiskHardware, file: &str) -> Element {
    let target = element("target")
        .with("dev", device(bus, place.named))
        .with("bus", spoken(bus));
    element("disk")
        .with("type", "file")
        .with("device", "disk")
        // A clone is thrown away, so nothing is lost with the host.
        .child(
            element("driver")
                .with("name", "qemu")
                .with("type", "qcow2")
                .with("cache", "unsafe")
                .with("discard", "unmap"),
        )
        .child(element("source").with("file", file))
        .child(target)
        .children((hardware.read_only && can_be_read_only(bus)).then(|| element("readonly")))
        .children(
            hardware
                .serial
                .as_ref()
                .map(|serial| element("serial").text(serial)),
        )
        .children(wwn(bus, hardware))
        .children(hardware.block_size.map(|size| {
            element("blockio")
                .with("logical_block_size", size)
                .with("physical_block_size", size)
        }))
        .children((place.at == 0).then(|| element("boot").with("order", 1)))
        .children(is_overridden(bus, hardware).then(|| element("alias").with("name", alias(place.at))))
        .children(address(bus, place))
}

/// A bus as libvirt is told it.
fn spoken(bus: DiskBus) -> &'static str {
    match bus {
        // What is NVM Express is overridden.
        DiskBus::Virtio | DiskBus::Nvme => "virtio",
        DiskBus::Scsi | DiskBus::Pvscsi | DiskBus::LsiSas | DiskBus::Lsi | DiskBus::Megasas => "scsi",
        DiskBus::Sata => "sata",
        DiskBus::Ide => "ide",
    }
}

/// Whether QEMU has such disks that cannot be written to; of others the overlay is thrown away in any case.
fn can_be_read_only(bus: DiskBus) -> bool {
    !matches!(bus, DiskBus::Sata | DiskBus::Ide)
}

/// A disk's World Wide Name as libvirt takes it; a bus without such names has none.
fn wwn(bus: DiskBus, hardware: &DiskHardware) -> Option<Element> {
    let name = hardware.wwn.as_ref()?;
    matches!(spoken(bus), "scsi" | "ide").then(|| element("wwn").text(name))
}

/// Where a disk is on its bus, where libvirt would give it a controller of another kind from the eighth on.
fn address(bus: DiskBus, place: &Place) -> Option<Element> {
    // libvirt counts the disks of this one controller by their units alone.
    let (target, unit) = match bus {
        DiskBus::Lsi => (0, place.on_bus),
        _ => (place.on_bus, 0),
    };
    Some(
        element("address")
            .with("type", "drive")
            .with("controller", place.controller?)
            .with("bus", 0)
            .with("target", target)
            .with("unit", unit),
    )
}

/// The name by which a disk is overridden; libvirt leaves those that begin so to its users.
fn alias(at: usize) -> String {
    format!("ua-disk{at}")
}

fn is_overridden(bus: DiskBus, hardware: &DiskHardware) -> bool {
    match bus {
        DiskBus::Nvme => true,
        DiskBus::Sata => number(hardware).is_some(),
        _ => false,
    }
}

/// A World Wide Name as QEMU takes it.
fn number(hardware: &DiskHardware) -> Option<u64> {
    let name = hardware.wwn.as_deref()?;
    u64::from_str_radix(name.strip_prefix("0x").unwrap_or(name), 16).ok()
}

/// What QEMU is told of a disk, and libvirt has no words for: libvirt 9 knows neither NVM Express nor the names of disks on
/// SATA. All else of it, its file's labels say, is libvirt's.
fn overriding(at: usize, bus: DiskBus, hardware: &DiskHardware) -> Option<Element> {
    let property = |name: &str, kind: &str, value: String| {
        element("qemu:property")
            .with("name", name)
            .with("type", kind)
            .with("value", value)
    };
    let properties = match bus {
        DiskBus::Nvme => {
            // Such a disk has a serial number in any case.
            let serial = hardware.serial.clone().unwrap_or_else(|| format!("disk{at}"));
            vec![
                property("driver", "string", "nvme".to_owned()),
                property("serial", "string", serial),
            ]
        }
        DiskBus::Sata => vec![property("wwn", "unsigned", number(hardware)?.to_string())],
        _ => return None,
    };
    let frontend = element("qemu:frontend").children(properties);
    Some(element("qemu:device").with("alias", alias(at)).child(frontend))
}
