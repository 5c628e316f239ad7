//! What begins a domain, and where that keeps its variables.

use std::path::PathBuf;

use roxmltree::Node;

use crate::image::domain_xml::disk::format_of;
use crate::image::domain_xml::xml::{child, children, quoted, text, text_of};
use crate::image::foreign::Format;
use crate::input::names::is_absolute;
use crate::model::hardware::Firmware;

/// The variables of a UEFI firmware.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nvram {
    /// Their file.
    pub file: PathBuf,
    /// Its format, raw or qcow2.
    pub format: Format,
}

/// What begins the domain, below its `<os>`; what clones do otherwise is said.
pub fn firmware(os: Node<'_, '_>, said: &mut Vec<String>) -> Firmware {
    let loader = child(os, "loader");
    let code = loader.and_then(text);
    // Names that QEMU's, Debian's and Red Hat's packages give to UEFI as one read-only file.
    let is_uefi = |code: &str| {
        let code = code.to_ascii_lowercase();
        code.contains("ovmf") || code.contains("edk2") || code.contains("uefi")
    };
    let uefi = match os.attribute("firmware") {
        Some("efi") => true,
        Some("bios") => false,
        Some(other) => {
            said.push(format!(
                "its firmware {} is not known; clones have BIOS",
                quoted(other)
            ));
            false
        }
        None => loader.is_some_and(|loader| match loader.attribute("type") {
            Some("pflash") => true,
            Some(_) | None => code.is_some_and(is_uefi),
        }),
    };
    if let Some(code) = code {
        said.push(format!(
            "its firmware is {} there; clones have that of the host that they run on",
            quoted(code)
        ));
    }
    if !uefi {
        return Firmware::Bios;
    }
    let feature = |name: &str| {
        let all = children(os, "firmware").flat_map(|node| children(node, "feature"));
        all.filter(|node| node.attribute("name") == Some(name))
            .find_map(|node| node.attribute("enabled"))
    };
    let secure = feature("secure-boot") == Some("yes")
        || loader.is_some_and(|loader| loader.attribute("secure") == Some("yes"));
    if !secure {
        return Firmware::Uefi;
    }
    let template = child(os, "nvram").and_then(|nvram| nvram.attribute("template"));
    let enrolled = match feature("enrolled-keys") {
        Some(enabled) => enabled == "yes",
        None => template.is_none_or(has_keys),
    };
    if enrolled {
        return Firmware::UefiSecure;
    }
    said.push(
        "its firmware knows Secure Boot and has no keys, so that it checks nothing; clones have plain UEFI"
            .to_owned(),
    );
    Firmware::Uefi
}

/// Whether variables of that name have keys in them, as Debian's package (`OVMF_VARS_4M.ms.fd`, `.snakeoil.fd`) and Red Hat's
/// (`OVMF_VARS.secboot.fd`) call them.
fn has_keys(template: &str) -> bool {
    let name = template.rsplit('/').next().unwrap_or(template);
    [".ms.", ".secboot.", ".snakeoil."]
        .iter()
        .any(|mark| name.contains(mark))
}

/// Where its variables are; none are taken from elsewhere than a file.
pub fn nvram(os: Node<'_, '_>, said: &mut Vec<String>) -> Option<Nvram> {
    let nvram = child(os, "nvram")?;
    let source = child(nvram, "source");
    let file = source
        .and_then(|source| source.attribute("file"))
        .or_else(|| text_of(os, "nvram"))
        .filter(|file| is_absolute(file));
    let format = format_of(nvram.attribute("format").unwrap_or("raw"))
        .filter(|format| matches!(format, Format::Raw | Format::Qcow2));
    match (file, format) {
        (Some(file), Some(format)) => Some(Nvram {
            file: PathBuf::from(file),
            format,
        }),
        (Some(_), None) => {
            said.push(
                "the format of its firmware's variables is not known; clones begin with new ones".to_owned(),
            );
            None
        }
        (None, _) if source.is_some() => {
            said.push("its firmware's variables are in no file; clones begin with new ones".to_owned());
            None
        }
        // Libvirt makes them at the first start.
        (None, _) => None,
    }
}
