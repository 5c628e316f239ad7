//! What verbs print and write.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use crate::cli::args::Colour;
use crate::cli::error::UserError;
use crate::input::finding::draw_all;
use crate::input::safe;
use crate::report::Summary;
use crate::report::render::{Format, render};
use crate::report::text::Style;
use crate::system::output::{self, OutputError};

/// Columns where the terminal does not say how many it has.
const DEFAULT_WIDTH: usize = 120;

/// Writes a document to standard output, where it can steer no terminal; a reader that has gone away is no error.
pub fn print(text: &str) -> Result<(), UserError> {
    let text = safe::document(text);
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(UserError::usage(format!(
            "cannot write to standard output: {error}"
        ))),
    }
}

/// Writes one line to standard output, whatever is quoted in it: nothing that it names begins another. The exit code still
/// tells where it cannot be written.
pub fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{}", safe::whole(line));
}

/// The same on standard error.
pub fn note(line: &str) {
    let _ = writeln!(io::stderr(), "{}", safe::whole(line));
}

/// A text of several lines on standard error, beside what is for other programs.
pub fn beside(text: &str) {
    for line in text.lines() {
        note(line);
    }
}

/// A document for programs; `what` names it where it cannot be written.
pub fn json(what: &str, document: &impl Serialize) -> Result<String, UserError> {
    serde_json::to_string_pretty(document)
        .map(|text| safe::json(&text) + "\n")
        .map_err(|error| UserError::usage(format!("{what} cannot be written as JSON: {error}")))
}

/// How standard output wants its text.
pub fn style(colour: Colour) -> Style {
    let columns = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    Style {
        width: columns.unwrap_or(DEFAULT_WIDTH).clamp(40, 400),
        colour: colour.on(&io::stdout()),
    }
}

/// Prints the report of a run.
pub fn report(summary: &Summary<'_>, format: Format, colour: Colour) -> Result<(), UserError> {
    print(&render(summary, format, style(colour))?)
}

/// Writes the report of a run to a file, without colour.
pub fn report_to(path: &Path, summary: &Summary<'_>, format: Format) -> Result<(), UserError> {
    let style = Style {
        width: DEFAULT_WIDTH,
        colour: false,
    };
    let text = render(summary, format, style)?;
    output::write(path, &text).map_err(|error| unwritten(path, &error))
}

/// Refuses a file for a report that cannot be written, before there is a report.
pub fn can_write(path: &Path) -> Result<(), UserError> {
    output::check(path).map_err(|error| unwritten(path, &error))
}

fn unwritten(path: &Path, error: &OutputError) -> UserError {
    UserError::usage(format!("report {} {error}", path.display())).with_hint(error.hint())
}

/// Prints an error with its findings and its remedy, and then what standard output ends with nevertheless.
pub fn error(error: &UserError, colour: bool) {
    let mut text = draw_all(&error.findings, colour, "");
    // Only the first line of a message begins at the left, where a line of the gate's would. What it quotes has no colours.
    let inside = |text: &str| safe::lines(text).replace('\n', "\n       ");
    text.extend(["error: ", &inside(&error.to_string()), "\n"]);
    if let Some(hint) = &error.hint {
        text.extend([" hint: ", &inside(hint), "\n"]);
    }
    // There is nowhere else to tell it.
    let _ = io::stderr().write_all(safe::document(&text).as_bytes());
    if let Some(closing) = &error.closing {
        // The exit code tells the same.
        let _ = print(closing);
    }
}
