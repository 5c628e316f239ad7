//! Reading TOML so that every mistake in a file is told at once, each with its place and remedy.
//!
//! serde stops at the first mistake and knows no places for what is missing; a person who writes a lab file wants the
//! whole list. What a table may have, must have and what would be right comes from its [`Table`] of keys.

use std::fmt::Display;
use std::ops::Range;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::input::finding::{Finding, Severity, Source};
use crate::input::keys::Table;
use crate::input::section::{Names, Section};
use crate::input::words::{list, nearest, show};

/// Bytes of one text in a file, unless said otherwise.
pub const TEXT_LIMIT: usize = 64 * 1024;

/// A finding that has no place in a file.
pub fn unplaced(message: impl Into<String>) -> Finding {
    Finding {
        severity: Severity::Error,
        message: message.into(),
        place: None,
        hint: None,
    }
}

/// Takes values out of sections and keeps what is wrong with them.
#[derive(Debug)]
pub struct Reader<'s> {
    source: &'s Source,
    findings: Vec<Finding>,
    /// Keys that unknown ones likely mean, with the place of their section: they are not missing as well.
    meant: Vec<(usize, String)>,
    text_limit: usize,
}

impl<'s> Reader<'s> {
    /// A reader of that file.
    pub fn new(source: &'s Source) -> Self {
        Self {
            source,
            findings: Vec::new(),
            meant: Vec::new(),
            text_limit: TEXT_LIMIT,
        }
    }

    /// The same reader, which takes texts of so many bytes.
    #[must_use]
    pub fn with_text_limit(mut self, bytes: usize) -> Self {
        self.text_limit = bytes;
        self
    }

    /// What is wrong, in the order of the file.
    pub fn finish(mut self) -> Vec<Finding> {
        self.findings
            .sort_by_key(|finding| finding.place.as_ref().map(|place| place.span.start));
        self.findings
    }

    /// Keeps an error.
    pub fn error(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.findings.push(Finding::error(self.source, span, message));
    }

    /// Keeps an error with its remedy.
    pub fn hinted(&mut self, span: Range<usize>, message: impl Into<String>, hint: impl Into<String>) {
        self.findings
            .push(Finding::error(self.source, span, message).with_hint(hint));
    }

    /// Keeps a warning with its remedy.
    pub fn warning(&mut self, span: Range<usize>, message: impl Into<String>, hint: impl Into<String>) {
        self.findings
            .push(Finding::warning(self.source, span, message).with_hint(hint));
    }

    /// A table of the file that is named `what`; complains of keys that it may not have.
    pub fn enter<'a>(
        &mut self,
        what: impl Into<String>,
        span: Range<usize>,
        keys: &'static Table,
        table: &'a DeTable<'a>,
    ) -> Section<'a> {
        let section = Section::new(what, span, keys, table);
        let known = keys.names();
        for (key, _) in section.entries() {
            let name = key.get_ref().as_str();
            if known.contains(&name) {
                continue;
            }
            let hint = match keys.elsewhere.iter().find(|(other, _)| *other == name) {
                Some((_, hint)) => (*hint).to_owned(),
                None => match nearest(name, known.iter().copied()) {
                    Some(near) => {
                        self.meant.push((section.span.start, near.to_owned()));
                        format!("did you mean {}?", show(near))
                    }
                    None => format!("keys of {}: {}", section.what, list(known.iter().copied())),
                },
            };
            let message = format!("unknown key {} in {}", show(name), section.what);
            self.hinted(key.span(), message, hint);
        }
        section
    }

    /// A value as a table with these keys; `like` is a line that would be right.
    pub fn open<'a>(
        &mut self,
        what: impl Into<String>,
        value: &'a Spanned<DeValue<'a>>,
        keys: &'static Table,
        like: &str,
    ) -> Option<Section<'a>> {
        let what = what.into();
        if let DeValue::Table(table) = value.get_ref() {
            return Some(self.enter(what, value.span(), keys, table));
        }
        self.wrong_type(&what, value, "a table", like);
        None
    }

    /// A key's value as a table.
    pub fn table<'a>(&mut self, section: &Section<'a>, key: &str) -> Option<Section<'a>> {
        let value = section.get(key)?;
        let of = section.key(key);
        self.open(section.what_of(key), value, of.shape.table(), &of.like())
    }

    /// A key's value as a table, where it could be a text as well.
    pub fn text_or_table<'a>(&mut self, section: &Section<'a>, key: &str) -> Option<Section<'a>> {
        let value = section.get(key)?;
        if value.get_ref().is_table() {
            return self.table(section, key);
        }
        self.wrong_type(
            &section.what_of(key),
            value,
            "a text or a table",
            &section.like(key),
        );
        None
    }

    /// A key's value as a table whose keys are names.
    pub fn names<'a>(&mut self, section: &Section<'a>, key: &str) -> Option<Names<'a>> {
        let value = section.get(key)?;
        self.names_of(section.what_of(key), value, &section.like(key))
    }

    /// A value as a table whose keys are names.
    pub fn names_of<'a>(
        &mut self,
        what: impl Into<String>,
        value: &'a Spanned<DeValue<'a>>,
        like: &str,
    ) -> Option<Names<'a>> {
        let what = what.into();
        if let DeValue::Table(table) = value.get_ref() {
            return Some(Names::new(what, value.span(), table));
        }
        self.wrong_type(&what, value, "a table", like);
        None
    }

    /// A key's value as a list of tables, each `a noun`.
    pub fn tables<'a>(
        &mut self,
        section: &Section<'a>,
        key: &str,
        noun: &str,
    ) -> Option<&'a [Spanned<DeValue<'a>>]> {
        let value = section.get(key)?;
        if let DeValue::Array(array) = value.get_ref() {
            return Some(array);
        }
        self.hinted(
            value.span(),
            format!("a {noun} is an entry of a list"),
            format!("write [[{key}]] with two brackets"),
        );
        None
    }

    /// Complains of a value of another type; `like` is a line that would be right.
    pub fn wrong_type(&mut self, what: &str, value: &Spanned<DeValue<'_>>, wanted: &str, like: &str) {
        let given = match value.get_ref() {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.hinted(
            value.span(),
            format!("{what} must be {wanted}, not {given}"),
            format!("write it like this: {like}"),
        );
    }

    /// Complains of a key that is not given.
    pub fn missing(&mut self, section: &Section<'_>, key: &str) {
        let example = section.key(key).example();
        self.missing_like(section, key, &example);
    }

    /// Complains of a key that is not given; `example` is a value that would be right, and what else helps.
    pub fn missing_like(&mut self, section: &Section<'_>, key: &str, example: &str) {
        let is_meant = |(at, name): &(usize, String)| *at == section.span.start && name == key;
        if self.meant.iter().any(is_meant) {
            return;
        }
        self.hinted(
            section.span.clone(),
            format!("{} has no `{key}`", section.what),
            format!("add: {key} = {example}"),
        );
    }

    /// Complains of a value that says nothing.
    pub fn empty(&mut self, section: &Section<'_>, key: &str) {
        self.hinted(
            section.span_of(key),
            format!("{} is empty", section.what_of(key)),
            format!("write it like this: {}", section.like(key)),
        );
    }

    /// Complains where of two keys not exactly one is given, which its table asks for.
    pub fn one_of_two(&mut self, section: &Section<'_>, first: &str, second: &str) {
        let words = match (section.has(first), section.has(second)) {
            (true, true) => format!("both `{first}` and `{second}`"),
            (false, false) => format!("neither `{first}` nor `{second}`"),
            (true, false) | (false, true) => return,
        };
        self.hinted(
            section.key_span(second),
            format!("{} has {words}", section.what),
            format!(
                "give one of them: {}, or {}",
                section.like(first),
                section.like(second)
            ),
        );
    }

    /// A value as a text, bounded.
    pub fn text_value(
        &mut self,
        what: &str,
        value: &Spanned<DeValue<'_>>,
        like: &str,
    ) -> Option<Spanned<String>> {
        match value.get_ref() {
            DeValue::String(text) if text.contains('\0') => {
                self.error(value.span(), format!("{what} holds a NUL character"));
                None
            }
            DeValue::String(text) if text.len() <= self.text_limit => {
                Some(Spanned::new(value.span(), text.to_string()))
            }
            DeValue::String(text) => {
                self.error(
                    value.span(),
                    format!(
                        "{what} has {} bytes; at most {} are taken",
                        text.len(),
                        self.text_limit
                    ),
                );
                None
            }
            _ => {
                self.wrong_type(what, value, "a text", like);
                None
            }
        }
    }

    /// A text that says a `T`, such as a time span.
    pub fn parsed<T>(&mut self, section: &Section<'_>, key: &str) -> Option<Spanned<T>>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text = self.text(section, key)?;
        match text.get_ref().parse() {
            Ok(value) => Some(Spanned::new(text.span(), value)),
            Err(error) => {
                self.error(text.span(), format!("{}: {error}", section.what_of(key)));
                None
            }
        }
    }

    /// A text where one is given.
    pub fn text(&mut self, section: &Section<'_>, key: &str) -> Option<Spanned<String>> {
        let value = section.get(key)?;
        self.text_value(&section.what_of(key), value, &section.like(key))
    }
}
