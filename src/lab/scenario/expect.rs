//! Reading what is expected of a text.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use crate::input::pattern::Pattern;
use crate::input::read::Reader;
use crate::input::section::Section;
use crate::input::words::show;
use crate::input::{json, number, template};
use crate::lab::scenario::keys::TEXT;
use crate::model::scenario::expect::TextExpectation;

/// JSONPaths of one expectation.
const PATHS: usize = 100;

/// What is expected of a command.
#[derive(Default)]
pub(super) struct Expected {
    pub(super) exit: i32,
    pub(super) stdout: TextExpectation,
    pub(super) stderr: TextExpectation,
}

/// Reads `expect`; nothing where it is no table.
pub(super) fn expected(reader: &mut Reader<'_>, step: &Section<'_>) -> Option<Expected> {
    if !step.has("expect") {
        return Some(Expected::default());
    }
    let expect = reader.table(step, "expect")?;
    if expect.is_empty() {
        expects_nothing(reader, &expect.what, expect.span.clone(), &step.like("expect"));
    }
    Some(Expected {
        exit: reader.number(&expect, "exit").map_or(0, Spanned::into_inner),
        stdout: expectation(reader, &expect, "stdout"),
        stderr: expectation(reader, &expect, "stderr"),
    })
}

fn expects_nothing(reader: &mut Reader<'_>, what: &str, span: Range<usize>, like: &str) {
    reader.hinted(
        span,
        format!("{what} expects nothing"),
        format!("write it like this: {like}"),
    );
}

/// What is expected of the text under `key`.
pub(super) fn expectation(reader: &mut Reader<'_>, section: &Section<'_>, key: &str) -> TextExpectation {
    let Some(value) = section.get(key) else {
        return TextExpectation::default();
    };
    let what = format!("`{key}` in {}", section.what);
    expectation_value(reader, what, value, &section.like(key))
}

/// What is expected of a text: a text, which it equals, or a table.
pub(super) fn expectation_value(
    reader: &mut Reader<'_>,
    what: String,
    value: &Spanned<DeValue<'_>>,
    like: &str,
) -> TextExpectation {
    if let DeValue::String(_) = value.get_ref() {
        let text = reader.text_value(&what, value, like);
        return TextExpectation {
            equals: text.map(Spanned::into_inner),
            ..TextExpectation::default()
        };
    }
    let DeValue::Table(_) = value.get_ref() else {
        reader.wrong_type(&what, value, "a text or a table", like);
        return TextExpectation::default();
    };
    let Some(table) = reader.open(what, value, &TEXT, like) else {
        return TextExpectation::default();
    };
    if table.is_empty() {
        expects_nothing(reader, &table.what, table.span.clone(), like);
    }
    let mut text = text_keys(reader, &table);
    text.json = json_paths(reader, &table, "json");
    text
}

/// The keys of a table that expect something of a text, but for JSON.
pub(super) fn text_keys(reader: &mut Reader<'_>, section: &Section<'_>) -> TextExpectation {
    TextExpectation {
        equals: text(reader, section, "equals"),
        contains: text(reader, section, "contains"),
        matches: text(reader, section, "matches"),
        at_least: bound(reader, section, "at_least"),
        at_most: bound(reader, section, "at_most"),
        above: bound(reader, section, "above"),
        below: bound(reader, section, "below"),
        equals_number: bound(reader, section, "equals_number"),
        json: BTreeMap::new(),
    }
}

fn text(reader: &mut Reader<'_>, section: &Section<'_>, key: &str) -> Option<String> {
    let text = reader.text(section, key)?;
    if key != "equals" && text.get_ref().is_empty() {
        let message = format!("`{key} = \"\"` in {} is true of every text", section.what);
        reader.hinted(
            text.span(),
            message,
            "say what must be there, or expect equals = \"\"",
        );
    }
    if key == "matches" {
        regex(reader, &text);
    }
    Some(text.into_inner())
}

/// Complains of what is no regular expression, whatever its variables stand for.
pub(super) fn regex(reader: &mut Reader<'_>, text: &Spanned<String>) {
    let filled = template::fill(text.get_ref(), &|_| Some("x".to_owned()));
    if let Ok(filled) = filled
        && let Err(error) = Pattern::new(&filled)
    {
        reader.hinted(
            text.span(),
            format!("{} is not a regular expression: {error}", show(text.get_ref())),
            "in \"...\" a backslash is written twice; in '...' once; a plain text is `contains`",
        );
    }
}

fn bound(reader: &mut Reader<'_>, section: &Section<'_>, key: &str) -> Option<String> {
    let value = section.get(key)?;
    let text = match value.get_ref() {
        DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str().replace('_', ""),
        DeValue::Float(float) => float.as_str().replace('_', ""),
        DeValue::String(text) => text.to_string(),
        _ => {
            reader.wrong_type(
                &section.what_of(key),
                value,
                "a decimal number",
                &section.like(key),
            );
            return None;
        }
    };
    if !template::has_variables(&text) && number::parse(&text).is_none() {
        reader.hinted(
            value.span(),
            format!("{} is not a decimal number of at most 28 digits", show(&text)),
            format!("write it like this: {}", section.like(key)),
        );
    }
    Some(text)
}

/// A table from JSONPaths to what is expected there.
pub(super) fn json_paths(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    key: &str,
) -> BTreeMap<String, TextExpectation> {
    let mut paths = BTreeMap::new();
    let like = section.like(key);
    let Some(table) = reader.names(section, key) else {
        return paths;
    };
    if table.count() == 0 {
        expects_nothing(reader, &table.what, table.span.clone(), &like);
    }
    if table.count() > PATHS {
        reader.error(table.span, format!("{} has more than {PATHS} paths", table.what));
        return paths;
    }
    for (path, value) in table.entries() {
        if let Err(problem) = json::check_path(path.get_ref()) {
            reader.hinted(
                path.span(),
                format!("{} is not a JSONPath: {problem}", show(path.get_ref())),
                "write it like this: \"$.lines[0].total\"",
            );
        }
        let what = format!("JSONPath {}", show(path.get_ref()));
        let expected = match value.get_ref() {
            DeValue::Integer(integer) if integer.radix() == 10 => TextExpectation {
                equals_number: Some(integer.as_str().replace('_', "")),
                ..TextExpectation::default()
            },
            DeValue::Float(float) => TextExpectation {
                equals_number: Some(float.as_str().replace('_', "")),
                ..TextExpectation::default()
            },
            DeValue::Boolean(flag) => TextExpectation {
                equals: Some(flag.to_string()),
                ..TextExpectation::default()
            },
            _ => expectation_value(reader, what, value, &like),
        };
        paths.insert(path.into_inner(), expected);
    }
    paths
}
