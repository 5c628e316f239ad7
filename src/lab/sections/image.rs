//! `[image.NAME]`: a recipe, or the digest of an imported disk.

use crate::input::read::Reader;
use crate::input::section::Section;
use crate::lab::file::ImageSection;

/// Reads the section.
pub(super) fn image(reader: &mut Reader<'_>, section: &Section<'_>) -> ImageSection {
    let image = ImageSection {
        build: reader.path(section, "build"),
        imported: reader.text(section, "imported"),
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
