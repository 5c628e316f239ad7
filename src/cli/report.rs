//! `patchgate report`: a run's journal in another form.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::cli::Colour;
use crate::decide::Decided;
use crate::error::UserError;
use crate::exit_code;
use crate::record::state::State;
use crate::report::text::{self, Style};
use crate::report::{Summary, json, junit, markdown};

/// Columns where the terminal does not say how many it has.
const DEFAULT_WIDTH: usize = 120;

/// What `patchgate report` takes.
#[derive(Debug, Clone, Args)]
pub struct ReportArgs {
    /// A run's id, the beginning of one, or `latest`
    #[arg(default_value = "latest")]
    pub run: String,
    /// The form
    #[arg(long, value_enum, default_value_t)]
    pub format: ReportFormat,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// A form of report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For a terminal
    #[default]
    Text,
    /// For programs
    Json,
    /// For CI
    Junit,
    /// For a ticket or merge request
    Markdown,
}

/// The report of a run in a form.
pub fn render(decided: &Decided, format: ReportFormat, style: Style) -> Result<String, UserError> {
    let summary = Summary::of(decided);
    let fail = |error: &dyn std::fmt::Display| UserError::usage(format!("cannot make the report: {error}"));
    match format {
        ReportFormat::Text => Ok(text::render(&summary, style)),
        ReportFormat::Json => json::render(&summary).map_err(|error| fail(&error)),
        ReportFormat::Junit => junit::render(&summary).map_err(|error| fail(&error)),
        ReportFormat::Markdown => Ok(markdown::render(&summary)),
    }
}

impl ReportFormat {
    /// The form that a file's ending asks for.
    pub fn of_file(path: &Path) -> Result<Self, UserError> {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("md") => Ok(Self::Markdown),
            Some("xml") => Ok(Self::Junit),
            Some("json") => Ok(Self::Json),
            Some("txt") => Ok(Self::Text),
            _ => Err(
                UserError::usage(format!("{}: no report ends like this", path.display()))
                    .with_hint("end it in .md (Markdown), .xml (JUnit), .json or .txt"),
            ),
        }
    }
}

/// Writes the report to a file, without colour.
pub fn write(decided: &Decided, format: ReportFormat, path: &Path) -> Result<(), UserError> {
    let style = Style {
        width: DEFAULT_WIDTH,
        colour: false,
    };
    write_file(path, &render(decided, format, style)?)
}

/// Writes the report; 0 where it was written, whatever the gate.
pub fn run(args: &ReportArgs, state: &State, lab: Option<&str>, colour: Colour) -> Result<u8, UserError> {
    let run = state.resolve(&args.run, lab)?;
    let decided = Decided::load(state, &run)?;
    match &args.output {
        Some(path) => write(&decided, args.format, path)?,
        None => print(&render(&decided, args.format, style(colour))?)?,
    }
    Ok(exit_code::OPEN)
}

/// How standard output wants its text.
pub fn style(colour: Colour) -> Style {
    let columns = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    Style {
        width: columns.unwrap_or(DEFAULT_WIDTH).clamp(40, 400),
        colour: colour.on(&io::stdout()),
    }
}

/// Writes to standard output; a reader that has gone away is no error.
pub fn print(text: &str) -> Result<(), UserError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(UserError::usage(format!(
            "cannot write to standard output: {error}"
        ))),
    }
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

    #[test]
    fn an_unknown_run_and_an_empty_state_say_what_to_do() {
        let folder = tempfile::tempdir().expect("folder");
        let state = State::at(folder.path().to_owned());
        let args = ReportArgs {
            run: "latest".to_owned(),
            format: ReportFormat::Text,
            output: None,
        };
        let error = run(&args, &state, None, Colour::Never).expect_err("no run");
        assert_eq!(error.exit, exit_code::USAGE);
        assert_eq!(error.message, "no run yet");
        assert_eq!(error.hint.as_deref(), Some("start one with `patchgate run`"));
    }
}
