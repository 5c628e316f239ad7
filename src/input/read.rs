//! Reading TOML so that every mistake in a file is told at once, each with its place and remedy.
//!
//! serde stops at the first mistake and knows no places for what is missing; a person who writes a lab file wants the
//! whole list.

use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::input::finding::{Finding, Severity, Source};
use crate::input::words::{list, nearest, show};

/// Bytes of one text in a file.
pub const TEXT_LIMIT: usize = 64 * 1024;

/// Syntax errors that are told of one file: what follows a mistake is often only its echo.
const SYNTAX_ERRORS: usize = 5;

/// A finding that has no place in a file.
pub fn unplaced(message: impl Into<String>) -> Finding {
    Finding {
        severity: Severity::Error,
        message: message.into(),
        place: None,
        hint: None,
    }
}

/// The text of a file's bytes.
///
/// # Errors
/// One finding: it is not UTF-8, or holds a character that nobody can see.
pub fn decode(path: &Path, bytes: Vec<u8>) -> Result<Source, Finding> {
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let bytes = error.into_bytes();
            let hint = if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
                "the file looks like UTF-16; save it as UTF-8"
            } else {
                "save the file as UTF-8"
            };
            let lossy = String::from_utf8_lossy(&bytes);
            let source = Source::new(path, visible(&lossy));
            let byte = bytes.get(at).copied().unwrap_or_default();
            return Err(Finding::error(
                &source,
                at..at + char::REPLACEMENT_CHARACTER.len_utf8(),
                format!("byte 0x{byte:02x} at offset {at} is not UTF-8"),
            )
            .with_hint(hint));
        }
    };
    match text.char_indices().find(|(_, c)| is_hidden(*c)) {
        None => Ok(Source::new(path, text)),
        Some((at, c)) => Err(Finding::error(
            &Source::new(path, visible(&text)),
            at..at + c.len_utf8(),
            format!("invisible character U+{:04X}", c as u32),
        )
        .with_hint("remove it: what cannot be seen cannot be reviewed; in a text, write it as \\uXXXX")),
    }
}

/// Whether a character shows nothing, or changes how others are shown: control characters, and those that turn the
/// direction of writing (CVE-2021-42574).
fn is_hidden(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text with a visible character of the same length for each hidden one: a snippet is drawn on a terminal.
fn visible(text: &str) -> String {
    text.chars()
        .map(|c| match c.len_utf8() {
            _ if !is_hidden(c) => c,
            1 => '?',
            2 => '¿',
            _ => char::REPLACEMENT_CHARACTER,
        })
        .collect()
}

/// Parses a text as TOML.
///
/// # Errors
/// The syntax errors, at most five and one to a line.
pub fn table(source: &Source) -> Result<Spanned<DeTable<'_>>, Vec<Finding>> {
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    if errors.is_empty() {
        return Ok(table);
    }
    let mut findings: Vec<Finding> = Vec::new();
    let mut lines = Vec::new();
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        let (line, _) = source.line_column(span.start);
        if !lines.contains(&line) && findings.len() < SYNTAX_ERRORS {
            lines.push(line);
            let finding = Finding::error(source, span, format!("not TOML: {}", error.message()));
            findings.push(match syntax_hint(error.message()) {
                Some(hint) => finding.with_hint(hint),
                None => finding,
            });
        }
    }
    Err(findings)
}

/// Remedies for the slips that are made most often, by the words of the parser.
fn syntax_hint(message: &str) -> Option<&'static str> {
    let hints = [
        ("must be quoted", "put it in quotes: \"...\""),
        (
            "invalid basic string",
            "a text begins and ends with \" on one line",
        ),
        ("duplicate key", "take one of both away"),
    ];
    let hint = hints.iter().find(|(words, _)| message.contains(words));
    hint.map(|(_, hint)| *hint)
}

/// A table of a file, with its name in words.
#[derive(Debug, Clone)]
pub struct Section<'a> {
    /// Its name in messages, such as `[lab]` or `step 2`.
    pub what: String,
    /// Where it begins; what is missing is shown here.
    pub span: Range<usize>,
    table: &'a DeTable<'a>,
}

impl<'a> Section<'a> {
    /// A table that is named `what` and begins at `span`.
    pub fn new(what: impl Into<String>, span: Range<usize>, table: &'a DeTable<'a>) -> Self {
        Self {
            what: what.into(),
            span,
            table,
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table.get(key)
    }

    /// Where a key's value is, or the section where it is not given.
    pub fn span_of(&self, key: &str) -> Range<usize> {
        self.get(key).map_or(self.span.clone(), Spanned::span)
    }

    /// Where a key itself is, or the section where it is not given.
    pub fn key_span(&self, key: &str) -> Range<usize> {
        self.table
            .get_key_value(key)
            .map_or(self.span.clone(), |(key, _)| key.span())
    }

    /// The keys with their values, in the order of their names.
    pub fn entries(&self) -> impl Iterator<Item = (Spanned<String>, &'a Spanned<DeValue<'a>>)> + use<'a> {
        self.table
            .iter()
            .map(|(key, value)| (Spanned::new(key.span(), key.get_ref().to_string()), value))
    }
}

/// Takes values out of sections and keeps what is wrong with them.
#[derive(Debug)]
pub struct Reader<'s> {
    source: &'s Source,
    findings: Vec<Finding>,
    /// Keys that unknown ones likely mean, with the place of their section: they are not missing as well.
    meant: Vec<(usize, String)>,
}

impl<'s> Reader<'s> {
    /// A reader of that file.
    pub fn new(source: &'s Source) -> Self {
        Self {
            source,
            findings: Vec::new(),
            meant: Vec::new(),
        }
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

    /// Complains of keys that are not known; `misplaced` has remedies for keys that belong elsewhere.
    pub fn known(&mut self, section: &Section<'_>, known: &[&str], misplaced: &[(&str, &str)]) {
        for (key, _) in section.entries() {
            let name = key.get_ref().as_str();
            if known.contains(&name) {
                continue;
            }
            let hint = match misplaced.iter().find(|(other, _)| *other == name) {
                Some((_, hint)) => (*hint).to_owned(),
                None => match nearest(name, known.iter().copied()) {
                    Some(near) => {
                        self.meant.push((section.span.start, near.to_owned()));
                        format!("did you mean {}?", show(near))
                    }
                    None => format!("keys of {}: {}", section.what, list(known.iter().copied())),
                },
            };
            self.hinted(
                key.span(),
                format!("unknown key {} in {}", show(name), section.what),
                hint,
            );
        }
    }

    /// A value as a table.
    pub fn section<'a>(
        &mut self,
        what: impl Into<String>,
        value: &'a Spanned<DeValue<'a>>,
        example: &str,
    ) -> Option<Section<'a>> {
        let what = what.into();
        if let DeValue::Table(table) = value.get_ref() {
            return Some(Section::new(what, value.span(), table));
        }
        self.wrong_type(&what, value, "a table", example);
        None
    }

    /// Complains of a value of another type; `example` is a line that would be right.
    pub fn wrong_type(&mut self, what: &str, value: &Spanned<DeValue<'_>>, wanted: &str, example: &str) {
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
            format!("write it like this: {example}"),
        );
    }

    /// A text where one is given.
    pub fn text(&mut self, section: &Section<'_>, key: &str, example: &str) -> Option<Spanned<String>> {
        let value = section.get(key)?;
        self.text_value(
            &format!("`{key}` of {}", section.what),
            value,
            &format!("{key} = {example}"),
        )
    }

    /// A text that must be given and not be blank; empty where it is not, which is an error already.
    pub fn required(&mut self, section: &Section<'_>, key: &str, example: &str) -> Spanned<String> {
        let missing = Spanned::new(section.span.clone(), String::new());
        if section.get(key).is_none() {
            self.missing(section, key, example);
            return missing;
        }
        match self.text(section, key, example) {
            Some(text) if text.get_ref().trim().is_empty() => {
                self.hinted(
                    text.span(),
                    format!("`{key}` of {} is empty", section.what),
                    format!("write it like this: {key} = {example}"),
                );
                missing
            }
            Some(text) => text,
            None => missing,
        }
    }

    /// Complains of a key that is not given.
    pub fn missing(&mut self, section: &Section<'_>, key: &str, example: &str) {
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

    /// A value as a text, bounded.
    pub fn text_value(
        &mut self,
        what: &str,
        value: &Spanned<DeValue<'_>>,
        example: &str,
    ) -> Option<Spanned<String>> {
        match value.get_ref() {
            DeValue::String(text) if text.len() <= TEXT_LIMIT => {
                Some(Spanned::new(value.span(), text.to_string()))
            }
            DeValue::String(text) => {
                self.error(
                    value.span(),
                    format!("{what} has {} bytes; at most {TEXT_LIMIT} are taken", text.len()),
                );
                None
            }
            _ => {
                self.wrong_type(what, value, "a text", example);
                None
            }
        }
    }

    /// A text that says a `T`, such as a time span.
    pub fn parsed<T>(&mut self, section: &Section<'_>, key: &str, example: &str) -> Option<Spanned<T>>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text = self.text(section, key, example)?;
        match text.get_ref().parse() {
            Ok(value) => Some(Spanned::new(text.span(), value)),
            Err(error) => {
                self.error(text.span(), format!("`{key}` of {}: {error}", section.what));
                None
            }
        }
    }

    /// True or false.
    pub fn flag(&mut self, section: &Section<'_>, key: &str) -> Option<bool> {
        let value = section.get(key)?;
        if let DeValue::Boolean(flag) = value.get_ref() {
            return Some(*flag);
        }
        let what = format!("`{key}` of {}", section.what);
        self.wrong_type(
            &what,
            value,
            "true or false, without quotes",
            &format!("{key} = true"),
        );
        None
    }

    /// A whole number in a range.
    pub fn number<T>(
        &mut self,
        section: &Section<'_>,
        key: &str,
        range: RangeInclusive<T>,
    ) -> Option<Spanned<T>>
    where
        T: Copy + PartialOrd + Display + TryFrom<i64>,
    {
        let value = section.get(key)?;
        let what = format!("`{key}` of {}", section.what);
        let example = format!("{key} = {}", range.start());
        let DeValue::Integer(integer) = value.get_ref() else {
            self.wrong_type(&what, value, "a whole number, without quotes", &example);
            return None;
        };
        let number = i64::from_str_radix(integer.as_str(), integer.radix())
            .ok()
            .and_then(|number| T::try_from(number).ok())
            .filter(|number| range.contains(number));
        if number.is_none() {
            self.error(
                value.span(),
                format!("{what} must be from {} to {}", range.start(), range.end()),
            );
        }
        number.map(|number| Spanned::new(value.span(), number))
    }

    /// One of some words.
    pub fn choice<T: Copy>(&mut self, section: &Section<'_>, key: &str, words: &[(&str, T)]) -> Option<T> {
        let example = words
            .first()
            .map_or("\"\"".into(), |(word, _)| format!("{word:?}"));
        let text = self.text(section, key, &example)?;
        let given = text.get_ref().as_str();
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == given) {
            return Some(*value);
        }
        self.hinted(
            text.span(),
            format!("`{key}` of {} cannot be {}", section.what, show(given)),
            // All of them: the nearest word may be the opposite of what was meant.
            format!("one of {}", list(words.iter().map(|(word, _)| *word))),
        );
        None
    }

    /// A list of texts where one is given; `example` is the whole list.
    pub fn texts(
        &mut self,
        section: &Section<'_>,
        key: &str,
        example: &str,
    ) -> Option<Spanned<Vec<Spanned<String>>>> {
        let value = section.get(key)?;
        let what = format!("`{key}` of {}", section.what);
        let example = format!("{key} = {example}");
        let DeValue::Array(array) = value.get_ref() else {
            self.wrong_type(&what, value, "a list", &example);
            return None;
        };
        let item = format!("an entry of {what}");
        let texts = array
            .iter()
            .filter_map(|entry| self.text_value(&item, entry, &example))
            .collect();
        Some(Spanned::new(value.span(), texts))
    }
}
