//! `[image.NAME]`: a recipe, or the digest of an imported disk, and the machine that its clones are given.

use crate::input::read::Reader;
use crate::input::section::Section;
use crate::input::words::show;
use crate::lab::file::ImageSection;
use crate::model::hardware::Wishes;

/// Bytes of a CPU's name.
const CPU_LIMIT: usize = 64;

/// Reads the section.
pub(super) fn image(reader: &mut Reader<'_>, section: &Section<'_>) -> ImageSection {
    let image = ImageSection {
        build: reader.path(section, "build"),
        imported: reader.text(section, "imported"),
        hardware: hardware(reader, section),
        package_manager: reader.text(section, "package_manager"),
    };
    reader.one_of_two(section, "build", "imported");
    if let Some(digest) = &image.imported
        && !(digest.get_ref().len() == 64
            && digest
                .get_ref()
                .bytes()
                .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
    {
        reader.hinted(
            digest.span(),
            format!(
                "{} is not a SHA-256: 64 digits of 0-9 and a-f",
                section.what_of("imported")
            ),
            "`patchgate image list` shows what is imported, with its SHA-256",
        );
    }
    image
}

/// Reads `[image.NAME.hardware]`.
fn hardware(reader: &mut Reader<'_>, image: &Section<'_>) -> Wishes {
    let what = format!("{}.hardware]", image.what.trim_end_matches(']'));
    let section = image.get("hardware").and_then(|value| {
        let key = image.key("hardware");
        reader.open(what, value, key.shape.table(), &key.like())
    });
    let Some(section) = section else {
        return Wishes::default();
    };
    let cpu = reader.text(&section, "cpu").and_then(|name| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let text = name.get_ref();
        if !text.is_empty() && text.len() <= CPU_LIMIT && text.chars().all(plain) {
            return Some(name.into_inner());
        }
        reader.hinted(
            name.span(),
            format!("{} is not the name of a CPU", show(text)),
            "`virsh cpu-models x86_64` lists those that libvirt knows",
        );
        None
    });
    Wishes {
        firmware: reader.choice(&section, "firmware"),
        machine: reader.choice(&section, "machine"),
        cpu,
        tpm: reader.flag(&section, "tpm"),
        clock: reader.choice(&section, "clock"),
        video: reader.choice(&section, "video"),
        hyperv: reader.flag(&section, "hyperv"),
        disk_bus: reader.choice(&section, "disk_bus"),
        nic: reader.choice(&section, "nic"),
    }
}
