//! `[drift]` and `[group.NAME.drift]`: what is made of differences between the arms.

use glob::Pattern;

use crate::input::read::Reader;
use crate::input::section::Section;
use crate::input::words::{did_you_mean, show};
use crate::lab::file::DriftSection;
use crate::model::observation::Class;

/// Patterns of one list.
const PATTERNS: usize = 1000;

/// Bytes of one pattern.
const PATTERN_BYTES: usize = 500;

/// Reads the `drift` section of a lab file or a group, named `what`; `None` where it has none.
pub(super) fn section(reader: &mut Reader<'_>, parent: &Section<'_>, what: &str) -> Option<DriftSection> {
    let value = parent.get("drift")?;
    let section = reader.open(what, value, parent.key("drift").shape.table(), what)?;
    let mut drift = DriftSection::default();
    for class in Class::ALL {
        if let Some(effect) = reader.choice(&section, class.word()) {
            drift.effects.insert(class, effect);
        }
    }
    let patterns = reader.texts(&section, "ignore");
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
