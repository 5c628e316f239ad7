//! `[group.NAME]`: a system with its owner, its OS versions and its roles.

use crate::input::read::{Reader, Section};
use crate::lab::file::GroupSection;
use crate::lab::sections::drift;
use crate::lab::sections::values::required_list;

/// Reads the section.
pub(super) fn group(reader: &mut Reader<'_>, section: &Section<'_>) -> GroupSection {
    reader.known(
        section,
        &[
            "owner",
            "admin",
            "os",
            "roles",
            "reboot",
            "scenarios",
            "required",
            "drift",
        ],
        &[
            ("exclude", "it belongs below [lab]"),
            ("updates", "it belongs below [lab]"),
        ],
    );
    GroupSection {
        owner: reader
            .required(section, "owner", "\"Web shop <shop@example.org>\"")
            .into_inner(),
        admin: reader
            .required(section, "admin", "\"Server team <servers@example.org>\"")
            .into_inner(),
        os: required_list(
            reader,
            section,
            "os",
            "[\"debian-12\"]",
            "its OS versions, one cell each",
        ),
        roles: required_list(
            reader,
            section,
            "roles",
            "[\"web\"]",
            "its roles in start order, one VM each",
        ),
        reboot: reader.texts(section, "reboot", "[\"database\", \"app\"]"),
        scenarios: required_list(
            reader,
            section,
            "scenarios",
            "[\"web\"]",
            "the departments whose scenarios test it; without one nothing is tested",
        ),
        required: reader.flag(section, "required").unwrap_or(true),
        drift: drift::section(reader, section, "[group.NAME.drift]"),
    }
}
