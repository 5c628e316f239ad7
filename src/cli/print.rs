//! What verbs print and write.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use crate::cli::args::Colour;
use crate::cli::error::UserError;
use crate::decide::Decided;
use crate::input::finding::draw_all;
use crate::input::safe;
use crate::report::Summary;
use crate::report::render::{Format, render};
use crate::report::text::Style;

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
pub fn report(decided: &Decided, format: Format, colour: Colour) -> Result<(), UserError> {
    print(&render(&Summary::of(decided), format, style(colour))?)
}

/// Writes the report of a run to a file, without colour.
pub fn report_to(path: &Path, decided: &Decided, format: Format) -> Result<(), UserError> {
    let style = Style {
        width: DEFAULT_WIDTH,
        colour: false,
    };
    write_file(path, &render(&Summary::of(decided), format, style)?)
}

/// Replaces a file whole: a reader sees the old one or the new one.
fn write_file(path: &Path, text: &str) -> Result<(), UserError> {
    use std::os::unix::fs::PermissionsExt;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let write = || -> io::Result<()> {
        let mut file = tempfile::Builder::new()
            .prefix(".patchgate-report-")
            // As any new file: the user's mask takes away from it.
            .permissions(std::fs::Permissions::from_mode(0o666))
            .tempfile_in(folder.unwrap_or(Path::new(".")))?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(|error| {
        UserError::usage(format!("{}: cannot write the report: {error}", path.display()))
            .with_hint("name a file in a folder that exists and that you may write to")
    })
}

/// Prints an error with its findings and its remedy.
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_replaces_the_file_whole() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("report.json");
        std::fs::write(&path, "old and longer than the new").expect("old");
        write_file(&path, "new").expect("new");
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "new");
        assert_eq!(std::fs::read_dir(folder.path()).expect("list").count(), 1);

        let error = write_file(&folder.path().join("no/folder"), "x").expect_err("no folder");
        assert!(error.message.contains("no/folder"), "{error}");
    }
}
