//! `[deadlines]`: how long each wait may take.

use toml::Spanned;

use crate::input::read::Reader;
use crate::input::section::Section;
use crate::lab::file::DeadlinesSection;
use crate::lab::sections::values::once;
use crate::units::Period;

/// Reads `[deadlines]`.
pub(super) fn deadlines(reader: &mut Reader<'_>, root: &Section<'_>) -> DeadlinesSection {
    let Some(section) = once(reader, root, "deadlines") else {
        return DeadlinesSection::default();
    };
    let mut deadline = |key: &str| reader.parsed::<Period>(&section, key).map(Spanned::into_inner);
    DeadlinesSection {
        boot: deadline("boot"),
        resolve: deadline("resolve"),
        download: deadline("download"),
        apply: deadline("apply"),
        reboot: deadline("reboot"),
    }
}
