//! `patchgate report`: a run's journal in another form.

use std::path::PathBuf;

use clap::Args;

use crate::cli::args::{Colour, ReportFormat};
use crate::cli::error::UserError;
use crate::cli::{exit_code, print};
use crate::decide::Decided;
use crate::record::state::State;

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

/// Writes the report; 0 where it was written, whatever the gate.
pub fn run(args: &ReportArgs, state: &State, lab: Option<&str>, colour: Colour) -> Result<u8, UserError> {
    let run = state.resolve(&args.run, lab)?;
    let decided = Decided::load(state, &run)?;
    let format = args.format.into();
    match &args.output {
        Some(path) => print::report_to(path, &decided, format)?,
        None => print::report(&decided, format, colour)?,
    }
    Ok(exit_code::OPEN)
}

#[cfg(test)]
mod tests {
    use super::*;

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
