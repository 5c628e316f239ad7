//! What a host's packages have for VMs beside QEMU itself: firmware, and emulated TPMs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
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
use crate::system::file;

/// Where packages describe their firmware; what is in a folder goes before a file of the same name in a later one
/// (<https://www.qemu.org/docs/master/interop/firmware.html>).
const FOLDERS: [&str; 2] = ["/etc/qemu/firmware", "/usr/share/qemu/firmware"];
/// Bytes of a description that are read.
const DESCRIPTION_LIMIT: u64 = 64 * 1024;

/// Firmware where packages without descriptions have it, and where another machine's is looked for: code, variables, and
/// bytes of the latter.
const USUAL: [(&str, &str, u64, Keys); 4] = [
    (
        "/usr/share/OVMF/OVMF_CODE_4M.fd",
        "/usr/share/OVMF/OVMF_VARS_4M.fd",
        540_672,
        Keys::None,
    ),
    (
        "/usr/share/OVMF/OVMF_CODE_4M.ms.fd",
        "/usr/share/OVMF/OVMF_VARS_4M.ms.fd",
        540_672,
        Keys::Enrolled,
    ),
    (
        "/usr/share/OVMF/OVMF_CODE.fd",
        "/usr/share/OVMF/OVMF_VARS.fd",
        131_072,
        Keys::None,
    ),
    (
        "/usr/share/OVMF/OVMF_CODE.ms.fd",
        "/usr/share/OVMF/OVMF_VARS.ms.fd",
        131_072,
        Keys::Enrolled,
    ),
];

/// The first libvirt that lets a device's properties be said, as disks of NVM Express need it
/// (<https://libvirt.org/drvqemu.html#overriding-properties-of-qemu-devices>).
const OVERRIDE_SINCE: u32 = 8_002_000;

/// Whose code a firmware runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keys {
    /// Anybody's.
    None,
    /// That of whom its variables have the keys.
    Enrolled,
}

/// A build of OVMF.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Build {
    /// Its code's path on the host.
    code: String,
    /// The path of its variables, of which each VM has a copy.
    variables: String,
    /// Bytes of them.
    size: u64,
    keys: Keys,
    /// Whether it keeps its variables from everybody else (System Management Mode).
    smm: bool,
    /// The boards that it runs on.
    boards: Vec<Machine>,
}

/// A description of a firmware, as far as it matters here.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Description {
    interface_types: Vec<String>,
    mapping: Mapping,
    targets: Vec<Target>,
    features: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Mapping {
    device: String,
    executable: Option<Image>,
    nvram_template: Option<Image>,
}

#[derive(Deserialize)]
struct Image {
    filename: String,
    format: String,
}

#[derive(Deserialize)]
struct Target {
    architecture: String,
    machines: Vec<String>,
}

/// The build that a description is of; nothing where it is of no use here.
fn described(text: &[u8], size: impl FnOnce(&str) -> Option<u64>) -> Option<Build> {
    let Description {
        interface_types,
        mapping,
        targets,
        features,
    } = serde_json::from_slice(text).ok()?;
    let (code, variables) = (mapping.executable?, mapping.nvram_template?);
    let is_raw = code.format == "raw" && variables.format == "raw";
    if mapping.device != "flash" || !is_raw || !interface_types.iter().any(|kind| kind == "uefi") {
        return None;
    }
    let targets = targets.iter().filter(|target| target.architecture == "x86_64");
    let machines: Vec<&String> = targets.flat_map(|target| &target.machines).collect();
    let runs_on = |begin: &str| machines.iter().any(|machine| machine.starts_with(begin));
    let boards = [(Machine::Q35, "pc-q35-"), (Machine::Pc, "pc-i440fx-")];
    let has = |name: &str| features.iter().any(|feature| feature == name);
    // What encrypts a guest's memory needs more of QEMU than its code.
    if has("intel-tdx") {
        return None;
    }
    Some(Build {
        size: size(&variables.filename)?,
        code: code.filename,
        variables: variables.filename,
        keys: if has("enrolled-keys") {
            Keys::Enrolled
        } else {
            Keys::None
        },
        smm: has("requires-smm"),
        boards: boards
            .into_iter()
            .filter(|(_, begin)| runs_on(begin))
            .map(|(board, _)| board)
            .collect(),
    })
}

/// The builds where packages usually have them, as far as they are there.
fn usual(is_there: impl Fn(&str) -> bool) -> impl Iterator<Item = Build> {
    let there = USUAL.into_iter().filter(move |(code, ..)| is_there(code));
    there.map(|(code, variables, size, keys)| Build {
        code: code.to_owned(),
        variables: variables.to_owned(),
        size,
        keys,
        smm: keys == Keys::Enrolled,
        boards: match keys {
            Keys::None => vec![Machine::Q35, Machine::Pc],
            Keys::Enrolled => vec![Machine::Q35],
        },
    })
}

/// Those that this machine's packages describe.
fn local() -> Vec<Build> {
    let mut files = BTreeMap::new();
    for folder in FOLDERS {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                files.entry(entry.file_name()).or_insert(path);
            }
        }
    }
    let size = |path: &str| fs::metadata(path).ok().map(|metadata| metadata.len());
    let read = files
        .into_values()
        .filter_map(|path| file::read(&path, DESCRIPTION_LIMIT).ok());
    let described = read.filter_map(|text| described(&text, size));
    described
        .filter(|build| Path::new(&build.code).is_file())
        .chain(usual(|code| Path::new(code).is_file()))
        .collect()
}

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
    let keys = match firmware {
        Firmware::Bios | Firmware::Uefi => Keys::None,
        Firmware::UefiSecure => Keys::Enrolled,
    };
    let fits = |build: &&Build| build.keys == keys && build.boards.contains(&board);
    let fitting: Vec<&Build> = builds.iter().filter(fits).collect();
    if fitting.is_empty() {
        let with = match keys {
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
    let sized = fitting
        .iter()
        .copied()
        .filter(|build| size.is_none_or(|size| build.size == size));
    // One that locks its variables away is for those who need that; of equals the first described.
    let best = sized.min_by_key(|build| build.smm);
    best.ok_or_else(|| {
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

/// The stores that this machine's firmware begins with, by the firmware that it is of.
pub fn variables() -> Vec<(Firmware, PathBuf)> {
    let builds = local();
    let of = |firmware| {
        let build = choose(&builds, firmware, Machine::Q35, None).ok()?;
        Some((firmware, PathBuf::from(&build.variables)))
    };
    [Firmware::Uefi, Firmware::UefiSecure]
        .into_iter()
        .filter_map(of)
        .collect()
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
