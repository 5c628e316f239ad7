//! A domain's board, CPU, clock, screen and size.

use roxmltree::Node;

use crate::image::board::board;
use crate::image::domain_xml::error::DomainXmlError;
use crate::image::domain_xml::xml::{child, children, of_child, quoted, text, text_of};
use crate::input::names::is_name;
use crate::model::hardware::{Clock, Machine, Video};
use crate::units::Mib;

/// Memory of the largest guest, in MiB: 16 TiB.
const MOST_MEMORY: u64 = 16 * 1024 * 1024;
/// vCPUs of the largest guest of QEMU's.
const MOST_VCPUS: u32 = 4096;

/// Its board. One that is not known is mapped, and that is said.
pub fn machine(os: Node<'_, '_>, said: &mut Vec<String>) -> Result<Machine, DomainXmlError> {
    let Some(kind) = child(os, "type") else {
        return Err(DomainXmlError::Unreadable("it has no type below <os>".to_owned()));
    };
    match (text(kind), kind.attribute("arch").unwrap_or("x86_64")) {
        (Some("hvm"), "x86_64" | "i686") => {}
        (Some("hvm"), arch) => return Err(DomainXmlError::OtherMachine(quoted(arch))),
        (other, _) => {
            let other = quoted(other.unwrap_or("no type"));
            return Err(DomainXmlError::OtherMachine(other));
        }
    }
    let Some(name) = kind.attribute("machine") else {
        return Ok(Machine::Pc);
    };
    let Some((board, other)) = board(name, &quoted(name)) else {
        said.push(format!(
            "its machine type {} is not known; clones are q35",
            quoted(name)
        ));
        return Ok(Machine::Q35);
    };
    said.extend(other);
    Ok(board)
}

/// Its CPU, where it is one by name; that is said, since not every host has it.
pub fn cpu(domain: Node<'_, '_>, said: &mut Vec<String>) -> Option<String> {
    let cpu = child(domain, "cpu")?;
    if !matches!(cpu.attribute("mode"), None | Some("custom")) {
        return None;
    }
    let model = text_of(cpu, "model")?;
    if !is_name(model, "-_.+", 64) {
        said.push(format!(
            "its CPU {} is not known; clones have the host's",
            quoted(model)
        ));
        return None;
    }
    said.push(format!(
        "its CPU is {}, which clones have where their host has it",
        quoted(model)
    ));
    Some(model.to_owned())
}

/// What its clock shows.
pub fn clock(domain: Node<'_, '_>, said: &mut Vec<String>) -> Clock {
    let Some(clock) = child(domain, "clock") else {
        return Clock::Utc;
    };
    match clock.attribute("offset") {
        Some("localtime") => Clock::Localtime,
        Some("timezone") => {
            said.push(format!(
                "its clock shows the time of {}; clones' show the host's local time",
                quoted(clock.attribute("timezone").unwrap_or("a zone"))
            ));
            Clock::Localtime
        }
        Some("variable") if clock.attribute("basis") == Some("localtime") => Clock::Localtime,
        Some(_) | None => Clock::Utc,
    }
}

/// Its screen; nothing where the description says nothing.
pub fn video(devices: Node<'_, '_>) -> Option<Video> {
    let model = children(devices, "video").find_map(|node| of_child(node, "model", "type"))?;
    Some(match model {
        "virtio" => Video::Virtio,
        "none" => Video::None,
        // Each other card has VGA in it.
        _ => Video::Vga,
    })
}

/// Whether it shows Windows the interfaces of Hyper-V.
pub fn hyperv(domain: Node<'_, '_>) -> bool {
    let Some(hyperv) = child(domain, "features").and_then(|features| child(features, "hyperv")) else {
        return false;
    };
    hyperv.attribute("mode") == Some("passthrough")
        || hyperv
            .children()
            .any(|node| node.attribute("state") == Some("on"))
}

/// Its memory, in whole mebibytes.
pub fn memory(domain: Node<'_, '_>) -> Option<Mib> {
    let memory = child(domain, "memory")?;
    let amount: u64 = text(memory)?.parse().ok()?;
    // <https://libvirt.org/formatdomain.html#memory-allocation>: KiB where there is no unit.
    let unit: u64 = match memory.attribute("unit").unwrap_or("KiB") {
        "b" | "bytes" => 1,
        "KB" => 1000,
        "k" | "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "M" | "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "G" | "GiB" => 1 << 30,
        "TB" => 1_000_000_000_000,
        "T" | "TiB" => 1 << 40,
        _ => return None,
    };
    let mib = amount.checked_mul(unit)?.div_ceil(1 << 20);
    (1..=MOST_MEMORY).contains(&mib).then_some(Mib(mib))
}

/// Its vCPUs: those that it begins with.
pub fn vcpus(domain: Node<'_, '_>) -> Option<u32> {
    let vcpu = child(domain, "vcpu")?;
    let count = vcpu.attribute("current").or_else(|| text(vcpu))?.parse().ok()?;
    (1..=MOST_VCPUS).contains(&count).then_some(count)
}
