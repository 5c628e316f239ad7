//! `[lab]`: which updates, how clones begin, when they reboot, and where scenarios are.

use toml::Spanned;

use crate::input::read::Reader;
use crate::input::section::Section;
use crate::lab::file::LabSection;
use crate::lab::sections::values::{absent, once};
use crate::model::policy::{CloneMode, Confirm, KeptBack, RebootPolicy, UpdateMode};

/// Reads `[lab]`.
pub(super) fn lab(reader: &mut Reader<'_>, root: &Section<'_>) -> LabSection {
    if !root.has("lab") {
        let name = root.key("lab").shape.table().key("name").like();
        let hint = format!("add: [lab] and below it {name}");
        reader.hinted(0..0, "there is no [lab]", hint);
    }
    let mut lab = LabSection {
        name: absent(String::new()),
        updates: absent(UpdateMode::Security),
        listed: Vec::new(),
        exclude: Vec::new(),
        expect_updates: true,
        kept_back: KeptBack::Note,
        security_origins: Vec::new(),
        clone: CloneMode::Warm,
        reboot: RebootPolicy::Always,
        confirm: Confirm::default(),
        scenarios: absent("scenarios".into()),
    };
    let Some(section) = once(reader, root, "lab") else {
        return lab;
    };
    lab.name = reader.required(&section, "name");
    if let Some(mode) = reader.choice(&section, "updates") {
        lab.updates = Spanned::new(section.span_of("updates"), mode);
    }
    lab.listed = reader.list(&section, "listed");
    lab.exclude = reader.list(&section, "exclude");
    lab.expect_updates = reader.flag(&section, "expect_updates").unwrap_or(true);
    if let Some(policy) = reader.choice(&section, "kept_back") {
        lab.kept_back = policy;
    }
    lab.security_origins = reader.list(&section, "security_origins");
    lab.clone = reader.choice(&section, "clone").unwrap_or(lab.clone);
    if let Some(policy) = reader.choice(&section, "reboot") {
        lab.reboot = policy;
    }
    lab.confirm = confirm(reader, &section);
    if let Some(folder) = reader.path(&section, "scenarios") {
        lab.scenarios = folder;
    }
    lab
}

/// `confirm` and `confirm_pairs`.
fn confirm(reader: &mut Reader<'_>, section: &Section<'_>) -> Confirm {
    let usual = Confirm::default();
    let again = reader.number(section, "confirm");
    let again = again.map_or(usual.again, Spanned::into_inner);
    let Some(pairs) = reader.number::<u32>(section, "confirm_pairs") else {
        return Confirm { again, pairs: again };
    };
    if again == 0 {
        reader.hinted(
            pairs.span(),
            "`confirm_pairs` has no effect with confirm = 0, by which nothing is confirmed",
            "take it away, or say with `confirm` in how many of them a finding must show itself",
        );
    } else if *pairs.get_ref() < again {
        reader.hinted(
            pairs.span(),
            format!("`confirm_pairs` is {} and `confirm` is {again}", pairs.get_ref()),
            "what is to be seen in so many fresh pairs of arms takes at least as many",
        );
    }
    Confirm {
        again,
        pairs: if again == 0 { 0 } else { pairs.into_inner() },
    }
}
