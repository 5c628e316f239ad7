//! `[drift]` and `[group.NAME.drift]`: what is made of differences between the arms.

use std::collections::BTreeMap;

use glob::Pattern;
use serde::Serialize;

use crate::input::read::{Reader, Section};
use crate::input::words::{did_you_mean, show};
use crate::model::drift::{DriftPolicy, Effect};
use crate::model::observation::Class;

/// Patterns of one list.
const PATTERNS: usize = 1000;

/// Bytes of one pattern.
const PATTERN_BYTES: usize = 500;

/// `[drift]`: what it says beyond the defaults.
#[derive(Debug, Clone, Default, Serialize)]
pub struct DriftSection {
    /// What a difference of a class does.
    pub effects: BTreeMap<Class, Effect>,
    /// Items that are left out.
    pub ignore: Vec<String>,
}

impl DriftSection {
    /// The policy with what this section says put over it.
    pub fn over(&self, mut policy: DriftPolicy) -> DriftPolicy {
        policy.effects.extend(&self.effects);
        policy.ignore.extend(self.ignore.iter().cloned());
        policy.ignore.sort();
        policy.ignore.dedup();
        policy
    }
}

/// Reads the `drift` section of a lab file or a group, named `what`; `None` where it has none.
pub(super) fn section(reader: &mut Reader<'_>, parent: &Section<'_>, what: &str) -> Option<DriftSection> {
    let value = parent.get("drift")?;
    let section = reader.section(what, value, what)?;
    let mut known = Class::ALL.map(Class::word).to_vec();
    known.push("ignore");
    reader.known(&section, &known, MEANT);
    let mut drift = DriftSection::default();
    for class in Class::ALL {
        if let Some(effect) = reader.choice(&section, class.word(), &Effect::WORDS) {
            drift.effects.insert(class, effect);
        }
    }
    let patterns = reader.texts(&section, "ignore", "[\"service:foo.service\", \"journal:*\"]");
    if let Some(patterns) = &patterns
        && patterns.get_ref().len() > PATTERNS
    {
        let message = format!("`ignore` of {what} has more than {PATTERNS} patterns");
        reader.hinted(patterns.span(), message, "use `*` for several items at once");
    }
    for pattern in patterns.iter().flat_map(toml::Spanned::get_ref).take(PATTERNS) {
        if let Some((message, hint)) = problem(pattern.get_ref()) {
            reader.hinted(pattern.span(), message, hint);
        }
        drift.ignore.push(pattern.get_ref().clone());
    }
    Some(drift)
}

/// Keys that are often written for a class.
const MEANT: &[(&str, &str)] = &[
    ("services", "it is called `service`"),
    ("ports", "it is called `listening`"),
    ("port", "it is called `listening`"),
    ("packages", "it is called `package`"),
    ("files", "it is called `config`"),
    ("errors", "it is called `journal`"),
    ("users", "it is called `user`"),
];

/// What is wrong with a pattern, and its remedy.
fn problem(pattern: &str) -> Option<(String, String)> {
    const EXAMPLE: &str =
        "write CLASS:ITEM as the report has it, such as \"service:foo.service\" or \"listening:tcp *:8080\"";
    if pattern.len() > PATTERN_BYTES {
        let message = format!("a pattern of `ignore` has more than {PATTERN_BYTES} bytes");
        return Some((message, EXAMPLE.to_owned()));
    }
    let shown = show(pattern);
    let Some((class, item)) = pattern.split_once(':') else {
        return Some((format!("{shown} names no class"), EXAMPLE.to_owned()));
    };
    let words = Class::ALL.map(Class::word);
    if class != "*" && !words.contains(&class) {
        let message = format!("{shown} is of no class that there is");
        return Some((message, did_you_mean(class, "kind", words)));
    }
    if item.is_empty() {
        return Some((format!("{shown} names no item"), EXAMPLE.to_owned()));
    }
    Pattern::new(pattern).err().map(|error| {
        (
            format!("{shown} is not a pattern: {}", error.msg),
            EXAMPLE.to_owned(),
        )
    })
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::input::finding::Source;
    use crate::lab::load::parse;

    const LAB: &str = r#"
[lab]
name = "hq"

[drift]
listening = "warn"
ignore = ["journal:nginx: *"]

[group.shop]
owner = "Shop"
admin = "Servers"
os = ["debian-12"]
roles = ["web"]
scenarios = ["web"]

[group.shop.drift]
listening = "ignore"
boot = "fail"
ignore = ["user:*", "journal:nginx: *"]
"#;

    #[test]
    fn a_group_says_more_than_the_lab_and_the_lab_more_than_the_defaults() {
        let lab = parse(Source::new(Path::new("patchgate.toml"), LAB), PathBuf::from(".")).expect("a lab");
        let of_lab = lab.file.drift.over(DriftPolicy::default());
        let own = lab.file.group["shop"].drift.as_ref().expect("a section");
        let of_group = own.over(of_lab.clone());
        let effects =
            |policy: &DriftPolicy| [Class::Listening, Class::Boot, Class::User].map(|c| policy.effect(c));
        assert_eq!(effects(&of_lab), [Effect::Warn, Effect::Warn, Effect::Fail]);
        assert_eq!(effects(&of_group), [Effect::Ignore, Effect::Fail, Effect::Fail]);
        assert_eq!(of_lab.ignore, ["journal:nginx: *"]);
        assert_eq!(of_group.ignore, ["journal:nginx: *", "user:*"]);
    }
}
