//! `[lab]`: which updates, how clones begin, when they reboot, and where scenarios are.

use toml::Spanned;

use crate::input::read::{Reader, Section};
use crate::lab::file::LabSection;
use crate::lab::sections::values::{absent, list, path};
use crate::model::policy::{CloneMode, RebootPolicy, UpdateMode};

/// Reads `[lab]`.
pub(super) fn lab(reader: &mut Reader<'_>, root: &Section<'_>) -> LabSection {
    if root.get("lab").is_none() {
        reader.hinted(0..0, "there is no [lab]", "add: [lab] and below it name = \"hq\"");
    }
    let section = root
        .get("lab")
        .and_then(|value| reader.section("[lab]", value, "[lab]"));
    let mut lab = LabSection {
        name: absent(String::new()),
        updates: absent(UpdateMode::Security),
        listed: Vec::new(),
        exclude: Vec::new(),
        expect_updates: true,
        clone: CloneMode::Warm,
        reboot: RebootPolicy::Always,
        scenarios: absent("scenarios".into()),
    };
    let Some(section) = section else { return lab };
    reader.known(
        &section,
        &[
            "name",
            "updates",
            "listed",
            "exclude",
            "expect_updates",
            "clone",
            "reboot",
            "scenarios",
        ],
        &[
            ("os", "it belongs below [group.NAME]"),
            ("uri", "it belongs below [[host]]"),
        ],
    );
    lab.name = reader.required(&section, "name", "\"hq\"");
    let modes = [
        ("security", UpdateMode::Security),
        ("all", UpdateMode::All),
        ("listed", UpdateMode::Listed),
    ];
    if let Some(mode) = reader.choice(&section, "updates", &modes) {
        lab.updates = Spanned::new(section.span_of("updates"), mode);
    }
    lab.listed = list(reader, &section, "listed", "[\"openssl\"]");
    lab.exclude = list(reader, &section, "exclude", "[\"mariadb-server\"]");
    lab.expect_updates = reader.flag(&section, "expect_updates").unwrap_or(true);
    let clones = [("warm", CloneMode::Warm), ("cold", CloneMode::Cold)];
    lab.clone = reader.choice(&section, "clone", &clones).unwrap_or(lab.clone);
    let reboots = [
        ("always", RebootPolicy::Always),
        ("when-needed", RebootPolicy::WhenNeeded),
    ];
    if let Some(policy) = reader.choice(&section, "reboot", &reboots) {
        lab.reboot = policy;
    }
    if let Some(folder) = path(reader, &section, "scenarios", "\"scenarios\"") {
        lab.scenarios = folder;
    }
    lab
}
