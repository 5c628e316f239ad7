//! `[soak]` and `[group.NAME.soak]`: when the nodes are looked at once more after the reboot.

use toml::Spanned;

use crate::input::read::Reader;
use crate::input::section::Section;
use crate::lab::file::SoakSection;

/// Reads the `soak` section of a lab file or a group, named `what`; what it does not say is not given.
pub(super) fn section(reader: &mut Reader<'_>, parent: &Section<'_>, what: &str) -> SoakSection {
    let section = parent
        .get("soak")
        .and_then(|value| reader.open(what, value, parent.key("soak").shape.table(), what));
    let Some(section) = section else {
        return SoakSection::default();
    };
    let soak = SoakSection {
        look: reader.flag(&section, "look"),
        scenarios: reader.flag(&section, "scenarios"),
        time: reader.parsed(&section, "time").map(Spanned::into_inner),
    };
    for (key, is_asked) in [
        ("scenarios", soak.scenarios == Some(true)),
        ("time", soak.time.is_some()),
    ] {
        if soak.look == Some(false) && is_asked {
            reader.hinted(
                section.key_span(key),
                format!("{} has no effect with look = false", section.what_of(key)),
                format!("take `{key}` away, or `look = false`"),
            );
        }
    }
    soak
}
