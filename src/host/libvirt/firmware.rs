//! What a host's packages have for VMs beside QEMU itself: firmware, and emulated TPMs.

use virt::connect::Connect;

use crate::host::libvirt::capabilities::version;
use crate::host::libvirt::describe::Flash;
use crate::host::libvirt::error::doing;
use crate::host::libvirt::volume;
use crate::host::libvirt::xml::{child, parse};
use crate::model::hardware::{DiskBus, Firmware, Machine};
use crate::model::machine::MachinePlan;
use crate::model::name::VolumePath;
use crate::model::outcome::Cause;
use crate::port::{LabError, VmSpec};
use crate::system::firmware::{Build, Keys, best, fitting, keys, local, usual};

/// The first libvirt that lets a device's properties be said, as disks of NVM Express need it
/// (<https://libvirt.org/drvqemu.html#overriding-properties-of-qemu-devices>).
const OVERRIDE_SINCE: u32 = 8_002_000;

/// The capabilities of VMs (<https://libvirt.org/formatdomaincaps.html>).
fn capabilities(conn: &Connect) -> Result<String, LabError> {
    conn.domain_capabilities(None, Some("x86_64"), Some("q35"), Some("qemu"), 0)
        .map_err(doing("asking libvirt what VMs can have"))
}

/// The firmware that libvirt knows of.
fn loaders(capabilities: &str) -> Vec<String> {
    let Some(document) = parse(capabilities) else {
        return Vec::new();
    };
    let loader = child(document.root_element(), "os").and_then(|os| child(os, "loader"));
    let values = loader.into_iter().flat_map(|loader| loader.children());
    values
        .filter(|node| node.has_tag_name("value"))
        .filter_map(|node| Some(node.text()?.to_owned()))
        .collect()
}

/// Whether libvirt has a program that plays a TPM.
fn emulates_tpm(capabilities: &str) -> bool {
    let Some(document) = parse(capabilities) else {
        return false;
    };
    let tpm = child(document.root_element(), "devices").and_then(|devices| child(devices, "tpm"));
    let mut said = tpm.into_iter().flat_map(|tpm| tpm.descendants());
    said.any(|node| node.has_tag_name("value") && node.text() == Some("emulator"))
}

fn builds(conn: &Connect, is_local: bool) -> Result<Vec<Build>, LabError> {
    if is_local {
        return Ok(local());
    }
    let known = loaders(&capabilities(conn)?);
    Ok(usual(|code| known.iter().any(|loader| loader == code)).collect())
}

/// The build for a machine; where an image has variables of its own, one whose own have as many bytes.
fn choose(
    builds: &[Build],
    firmware: Firmware,
    board: Machine,
    size: Option<u64>,
) -> Result<&Build, LabError> {
    let fitting = fitting(builds, firmware, board);
    if fitting.is_empty() {
        let with = match keys(firmware) {
            Keys::None => "",
            Keys::Enrolled => " with Microsoft's keys enrolled",
        };
        let board = match board {
            Machine::Q35 => "q35",
            Machine::Pc => "pc",
        };
        let message = format!("no UEFI firmware{with} for VMs with the board {board} is installed");
        return Err(LabError::new(Cause::HostRefused, message).with_hint(
            "install OVMF on the host: `apt-get install ovmf`, elsewhere the package is called edk2-ovmf or qemu-ovmf-x86_64",
        ));
    }
    best(&fitting, size).ok_or_else(|| {
        let had: Vec<String> = fitting
            .iter()
            .map(|build| format!("{} has {}", build.variables, build.size))
            .collect();
        let message = format!(
            "the firmware's variables of the image have {} bytes, which fits no firmware that is installed: {}",
            size.unwrap_or(0),
            had.join(", ")
        );
        LabError::new(Cause::HostRefused, message).with_hint(
            "install the build of OVMF that the image was installed with, or import the disk without its variables",
        )
    })
}

/// The firmware of a VM, with variables of its own in its pool's folder; nothing where its firmware keeps none.
pub fn flash(conn: &Connect, is_local: bool, spec: &VmSpec, folder: &str) -> Result<Option<Flash>, LabError> {
    let Some(nvram) = &spec.nvram else {
        return Ok(None);
    };
    let mut template = None;
    if let Some(name) = &nvram.template {
        let (_, volume) = volume::find(conn, &VolumePath::new(&spec.pool, name))?;
        let reading = || {
            doing(format!(
                "reading the firmware's variables for domain {}",
                spec.name
            ))
        };
        let size = volume.info().map_err(reading())?.capacity;
        template = Some((volume.path().map_err(reading())?, size));
    }
    let builds = builds(conn, is_local)?;
    let hardware = &spec.hardware;
    let size = template.as_ref().map(|(_, size)| *size);
    let build = choose(&builds, hardware.firmware, hardware.machine, size)?;
    Ok(Some(Flash {
        code: build.code.clone(),
        smm: build.smm,
        template: template.map_or_else(|| build.variables.clone(), |(path, _)| path),
        variables: format!("{folder}/{}", nvram.volume),
    }))
}

/// Whether such a machine can be had on a host.
pub fn can_have(conn: &Connect, is_local: bool, machine: &MachinePlan) -> Result<(), LabError> {
    let uri = conn.uri().map_err(doing("asking a host for its URI"))?;
    let on = |error: LabError| LabError {
        message: format!("{uri}: {}", error.message),
        ..error
    };
    let hardware = &machine.hardware;
    if machine.has_nvram() {
        choose(
            &builds(conn, is_local)?,
            hardware.firmware,
            hardware.machine,
            None,
        )
        .map_err(on)?;
    }
    if hardware.tpm && !emulates_tpm(&capabilities(conn)?) {
        let error = LabError::new(Cause::HostRefused, "libvirt has no emulated TPM for VMs");
        return Err(on(error.with_hint(
            "install swtpm on the host: `apt-get install swtpm swtpm-tools`",
        )));
    }
    let libvirt = conn
        .lib_version()
        .map_err(doing("asking libvirt for its version"))?;
    if machine.disks().any(|disk| machine.bus(disk) == DiskBus::Nvme) && libvirt < OVERRIDE_SINCE {
        let message = format!(
            "libvirt {} cannot attach disks as NVM Express; {} and newer can",
            version(libvirt),
            version(OVERRIDE_SINCE)
        );
        let error = LabError::new(Cause::HostRefused, message);
        return Err(on(error.with_hint(
            "update libvirt, or write disk_bus = \"sata\" below [image.NAME.hardware]",
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
