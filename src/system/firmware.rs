//! The UEFI firmware that this machine's packages have for VMs.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::model::hardware::{Firmware, Machine};
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

/// Whose code a firmware runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// Anybody's.
    None,
    /// That of whom its variables have the keys.
    Enrolled,
}

/// A build of OVMF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// Its code's path on the host.
    pub code: String,
    /// The path of its variables, of which each VM has a copy.
    pub variables: String,
    /// Bytes of them.
    pub size: u64,
    /// Whose code it runs.
    pub keys: Keys,
    /// Whether it keeps its variables from everybody else (System Management Mode).
    pub smm: bool,
    /// The boards that it runs on.
    pub boards: Vec<Machine>,
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
pub fn described(text: &[u8], size: impl FnOnce(&str) -> Option<u64>) -> Option<Build> {
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
pub fn usual(is_there: impl Fn(&str) -> bool) -> impl Iterator<Item = Build> {
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
pub fn local() -> Vec<Build> {
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

/// Whose code a firmware runs that a machine is to have.
pub fn keys(firmware: Firmware) -> Keys {
    match firmware {
        Firmware::Bios | Firmware::Uefi => Keys::None,
        Firmware::UefiSecure => Keys::Enrolled,
    }
}

/// Those that such a machine can have.
pub fn fitting(builds: &[Build], firmware: Firmware, board: Machine) -> Vec<&Build> {
    let keys = keys(firmware);
    let fits = |build: &&Build| build.keys == keys && build.boards.contains(&board);
    builds.iter().filter(fits).collect()
}

/// The one of them that a machine gets; where it has variables already, one whose own have as many bytes.
pub fn best<'a>(fitting: &[&'a Build], size: Option<u64>) -> Option<&'a Build> {
    let sized = fitting
        .iter()
        .copied()
        .filter(|build| size.is_none_or(|size| build.size == size));
    // One that locks its variables away is for those who need that; of equals the first described.
    sized.min_by_key(|build| build.smm)
}
