//! `[group.NAME]`: a system with its owner, its OS versions and its roles.

use crate::input::read::Reader;
use crate::input::section::Section;
use crate::lab::file::GroupSection;
use crate::lab::sections::{drift, soak};

/// Reads the section.
pub(super) fn group(reader: &mut Reader<'_>, section: &Section<'_>) -> GroupSection {
    GroupSection {
        owner: reader.required(section, "owner").into_inner(),
        admin: reader.required(section, "admin").into_inner(),
        os: reader.required_list(section, "os"),
        roles: reader.required_list(section, "roles"),
        reboot: reader.texts(section, "reboot"),
        scenarios: reader.required_list(section, "scenarios"),
        required: reader.flag(section, "required").unwrap_or(true),
        drift: drift::section(reader, section, "[group.NAME.drift]"),
        soak: soak::section(reader, section, "[group.NAME.soak]"),
    }
}
