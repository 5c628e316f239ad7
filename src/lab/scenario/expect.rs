//! Reading what is expected of a text.

use std::collections::BTreeMap;

use regex_lite::Regex;
use toml::Spanned;
use toml::de::DeValue;

use crate::input::read::{Reader, Section};
use crate::input::words::show;
use crate::input::{json, number, template};
use crate::lab::scenario::keys;
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
    let Some(value) = step.get("expect") else {
        return Some(Expected::default());
    };
    let example = "expect = { exit = 0, stdout = \"0.00\" }";
    let expect = reader.section(format!("`expect` of {}", step.what), value, example)?;
    reader.known(
        &expect,
        &keys::EXPECT.names(),
        &[
            ("status", "the exit code is called `exit`"),
            ("contains", "say of what: stdout = { contains = \"...\" }"),
            ("matches", "say of what: stdout = { matches = \"...\" }"),
            ("equals", "say of what: stdout = \"...\""),
            ("json", "say of what: stdout = { json = { \"$.id\" = \"...\" } }"),
        ],
    );
    if expect.entries().next().is_none() {
        let message = format!("{} expects nothing", expect.what);
        reader.hinted(value.span(), message, format!("write it like this: {example}"));
    }
    Some(Expected {
        exit: reader
            .number(&expect, "exit", 0..=255)
            .map_or(0, Spanned::into_inner),
        stdout: expectation(reader, &expect, "stdout"),
        stderr: expectation(reader, &expect, "stderr"),
    })
}

/// What is expected of the text under `key`.
pub(super) fn expectation(reader: &mut Reader<'_>, section: &Section<'_>, key: &str) -> TextExpectation {
    let Some(value) = section.get(key) else {
        return TextExpectation::default();
    };
    let what = format!("`{key}` in {}", section.what);
    expectation_value(reader, what, value, &format!("{key} = {{ contains = \"...\" }}"))
}

/// What is expected of a text: a text, which it equals, or a table.
pub(super) fn expectation_value(
    reader: &mut Reader<'_>,
    what: String,
    value: &Spanned<DeValue<'_>>,
    example: &str,
) -> TextExpectation {
    if let DeValue::String(_) = value.get_ref() {
        let text = reader.text_value(&what, value, example);
        return TextExpectation {
            equals: text.map(Spanned::into_inner),
            ..TextExpectation::default()
        };
    }
    let DeValue::Table(_) = value.get_ref() else {
        reader.wrong_type(&what, value, "a text or a table", example);
        return TextExpectation::default();
    };
    let Some(table) = reader.section(what, value, example) else {
        return TextExpectation::default();
    };
    reader.known(&table, &keys::TEXT.names(), &[]);
    if table.entries().next().is_none() {
        let message = format!("{} expects nothing", table.what);
        reader.hinted(value.span(), message, format!("write it like this: {example}"));
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
    let text = reader.text(section, key, "\"...\"")?;
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
        && let Err(error) = Regex::new(&filled)
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
            let what = format!("`{key}` of {}", section.what);
            reader.wrong_type(&what, value, "a decimal number", &format!("{key} = 12.50"));
            return None;
        }
    };
    if !template::has_variables(&text) && number::parse(&text).is_none() {
        reader.hinted(
            value.span(),
            format!("{} is not a decimal number of at most 28 digits", show(&text)),
            format!("write it like this: {key} = 12.50"),
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
    let example = format!("{key} = {{ \"$.lines[0].total\" = \"12.50\" }}");
    let mut paths = BTreeMap::new();
    let Some(value) = section.get(key) else {
        return paths;
    };
    let Some(table) = reader.section(format!("`{key}` of {}", section.what), value, &example) else {
        return paths;
    };
    if table.entries().next().is_none() {
        let message = format!("{} expects nothing", table.what);
        reader.hinted(value.span(), message, format!("write it like this: {example}"));
    }
    if table.entries().count() > PATHS {
        reader.error(
            value.span(),
            format!("{} has more than {PATHS} paths", table.what),
        );
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
            _ => expectation_value(reader, what, value, &example),
        };
        paths.insert(path.into_inner(), expected);
    }
    paths
}
