//! The files of a department's folder that its scenarios use: found, bounded, pinned by digest, and kept as they were pinned.

use std::collections::BTreeMap;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::input::finding::Finding;
use crate::input::hex;
use crate::input::words::show;
use crate::lab::scenario::parse::ScenarioFile;
use crate::model::scenario::FilePin;
use crate::system::file::{FileError, Folder};

/// Bytes of one file.
pub const FILE_LIMIT: u64 = 1024 * 1024;

/// Bytes of all files of a lab together, each content once.
const ALL_LIMIT: u64 = 64 * 1024 * 1024;

/// What files hold, by SHA-256 in hexadecimal: read once, so that what is run is what was pinned.
pub type Contents = BTreeMap<String, Vec<u8>>;

/// Pins the files of a scenario, which then are a part of its digest, and adds what they hold; returns what is wrong with
/// them.
pub(super) fn pin(file: &mut ScenarioFile, folder: &Folder, contents: &mut Contents) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut pins: BTreeMap<String, FilePin> = BTreeMap::new();
    for name in &file.files {
        let taken = folder
            .read(Path::new(name.get_ref()), FILE_LIMIT)
            .map_err(|error| in_words(&error));
        match taken.and_then(|bytes| keep(contents, bytes)) {
            Ok(pin) => {
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

fn keep(contents: &mut Contents, bytes: Vec<u8>) -> Result<FilePin, String> {
    let pin = FilePin {
        sha256: hex(&Sha256::digest(&bytes)),
        bytes: bytes.len() as u64,
    };
    if !contents.contains_key(&pin.sha256) {
        let kept: u64 = contents.values().map(|content| content.len() as u64).sum();
        if kept + pin.bytes > ALL_LIMIT {
            return Err(format!(
                "is one too many: the files of all scenarios together are larger than {} MiB",
                ALL_LIMIT >> 20
            ));
        }
        contents.insert(pin.sha256.clone(), bytes);
    }
    Ok(pin)
}

fn in_words(error: &FileError) -> String {
    match error {
        FileError::Outside => "is outside the department's folder".to_owned(),
        FileError::Missing
        | FileError::Dangling
        | FileError::Io(_)
        | FileError::NotAFile
        | FileError::NotAFolder
        | FileError::Link
        | FileError::TooLarge(_) => error.to_string(),
    }
}
