//! `[deadlines]`: how long each wait may take.

use toml::Spanned;

use crate::input::read::{Reader, Section};
use crate::lab::file::DeadlinesSection;
use crate::units::Period;

/// Reads `[deadlines]`.
pub(super) fn deadlines(reader: &mut Reader<'_>, root: &Section<'_>) -> DeadlinesSection {
    let section = root
        .get("deadlines")
        .and_then(|value| reader.section("[deadlines]", value, "[deadlines]"));
    let Some(section) = section else {
        return DeadlinesSection::default();
    };
    reader.known(&section, &["boot", "resolve", "download", "apply", "reboot"], &[]);
    let mut deadline = |key: &str| {
        reader
            .parsed::<Period>(&section, key, "\"10m\"")
            .map(Spanned::into_inner)
    };
    DeadlinesSection {
        boot: deadline("boot"),
        resolve: deadline("resolve"),
        download: deadline("download"),
        apply: deadline("apply"),
        reboot: deadline("reboot"),
    }
}
