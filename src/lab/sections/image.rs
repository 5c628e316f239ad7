//! `[image.NAME]`: a recipe, or the digest of an imported disk.

use crate::input::read::{Reader, Section};
use crate::lab::file::ImageSection;
use crate::lab::sections::values::path;

/// Reads the section.
pub(super) fn image(reader: &mut Reader<'_>, section: &Section<'_>) -> ImageSection {
    reader.known(
        section,
        &["build", "imported"],
        &[
            ("file", "import the disk with `patchgate image import FILE --os OS`, and write imported = \"<sha256>\""),
            ("sha256", "it is called `imported`"),
            ("recipe", "it is called `build`"),
        ],
    );
    let image = ImageSection {
        build: path(reader, section, "build", "\"images/debian-12.toml\""),
        imported: reader.text(
            section,
            "imported",
            "\"<the sha256 that `patchgate image import` printed>\"",
        ),
    };
    let remedy = "give one of them: build = \"images/debian-12.toml\", or imported = \"<the sha256 that \
                  `patchgate image import` printed>\"";
    match (section.get("build"), section.get("imported")) {
        (Some(_), Some(_)) => {
            let message = format!("{} has both `build` and `imported`", section.what);
            reader.hinted(section.key_span("imported"), message, remedy);
        }
        (None, None) => {
            let message = format!("{} has neither `build` nor `imported`", section.what);
            reader.hinted(section.span.clone(), message, remedy);
        }
        (Some(_), None) | (None, Some(_)) => {}
    }
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
                "`imported` of {} is not a SHA-256: 64 digits of 0-9 and a-f",
                section.what
            ),
            "`patchgate image list` shows what is imported, with its SHA-256",
        );
    }
    image
}
