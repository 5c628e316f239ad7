//! The files of a department's folder that its scenarios use: found, bounded, pinned by digest, and read again for a run.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::input::finding::Finding;
use crate::input::hex;
use crate::input::words::show;
use crate::lab::scenario::parse::ScenarioFile;
use crate::model::scenario::{FilePin, Scenario};

/// Bytes of one file.
pub const FILE_LIMIT: u64 = 1024 * 1024;

/// Pins the files of a scenario, which then are a part of its digest; returns what is wrong with them.
pub(super) fn pin(file: &mut ScenarioFile, folder: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut pins: BTreeMap<String, FilePin> = BTreeMap::new();
    for name in &file.files {
        match read(folder, name.get_ref()) {
            Ok(bytes) => {
                let pin = FilePin {
                    sha256: hex(&Sha256::digest(&bytes)),
                    bytes: bytes.len() as u64,
                };
                pins.insert(name.get_ref().clone(), pin);
            }
            Err(problem) => {
                let message = format!("file {} {problem}", show(name.get_ref()));
                findings.push(
                    Finding::error(&file.source, name.span(), message)
                        .with_hint("put the file into the department's folder, beside the scenario"),
                );
            }
        }
    }
    let scenario = &mut file.scenario;
    if !pins.is_empty() {
        let mut digest = Sha256::new();
        digest.update(&scenario.digest);
        for (name, pin) in &pins {
            digest.update(format!("\n{name} {}", pin.sha256));
        }
        scenario.digest = hex(&digest.finalize());
    }
    scenario.files = pins;
    findings
}

/// Reads a file of a department's folder.
///
/// # Errors
/// Why not, to stand behind the file's name.
fn read(folder: &Path, name: &str) -> Result<Vec<u8>, String> {
    let path = inside(folder, name)?;
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => "is not there".to_owned(),
        _ => format!("cannot be read: {error}"),
    };
    // Looked at before it is opened: to open a pipe is to wait for its other end.
    let about = path.symlink_metadata().map_err(failed)?;
    if !about.is_file() {
        return Err("is not a file".to_owned());
    }
    let mut bytes = Vec::new();
    File::open(&path)
        .and_then(|file| file.take(FILE_LIMIT + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    if bytes.len() as u64 > FILE_LIMIT {
        return Err(format!("is larger than {} KiB", FILE_LIMIT / 1024));
    }
    Ok(bytes)
}

/// The real path of a file, where it stays in the folder once links are followed.
fn inside(folder: &Path, name: &str) -> Result<PathBuf, String> {
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    if name.is_empty() || !Path::new(name).components().all(plain) {
        return Err("is outside the department's folder".to_owned());
    }
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => "is not there".to_owned(),
        _ => format!("cannot be read: {error}"),
    };
    let folder = if folder == Path::new("") {
        Path::new(".")
    } else {
        folder
    };
    let root = folder.canonicalize().map_err(failed)?;
    let real = root.join(name).canonicalize().map_err(failed)?;
    if real.starts_with(&root) {
        Ok(real)
    } else {
        Err("is a link that leaves the department's folder".to_owned())
    }
}

/// The content of every file that scenarios use, by digest. `dir` is the folder of all scenarios.
///
/// # Errors
/// What is not as it was when the plan was made.
pub fn load<'s>(
    dir: &Path,
    scenarios: impl Iterator<Item = &'s Scenario>,
) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let mut all = BTreeMap::new();
    for scenario in scenarios {
        for (name, pin) in &scenario.files {
            let folder = dir.join(&scenario.department);
            let shown = folder.join(name).display().to_string();
            let bytes = read(&folder, name).map_err(|problem| format!("{shown}: {problem}"))?;
            if hex(&Sha256::digest(&bytes)) != pin.sha256 {
                return Err(format!("{shown}: was changed after the plan was made"));
            }
            all.insert(pin.sha256.clone(), bytes);
        }
    }
    Ok(all)
}
