//! A file's text: UTF-8, without characters that nobody can see, and TOML. Pure.

use std::path::Path;

use toml::Spanned;
use toml::de::DeTable;

use crate::input::finding::{Finding, Source};

/// Syntax errors that are told of one file: what follows a mistake is often only its echo.
const SYNTAX_ERRORS: usize = 5;

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
