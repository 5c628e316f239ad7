//! `patchgate report`: a run's journal in another form.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;

use crate::cli::args::{Colour, ReportFormat};
use crate::cli::error::UserError;
use crate::cli::{exit_code, print};
use crate::decide::Decided;
use crate::gate::outdated;
use crate::model::plan::Plan;
use crate::record::state::State;
use crate::report::Summary;
use crate::report::render::Format;
use crate::session::begin::now;

/// What `patchgate report` takes.
#[derive(Debug, Clone, Args)]
pub struct ReportArgs {
    /// A run's id, the beginning of one, or `latest`
    #[arg(default_value = "latest")]
    pub run: String,
    /// The form; by default what the ending of the file tells, else text
    #[arg(long, value_enum)]
    pub format: Option<ReportFormat>,
    /// Write to this file instead of standard output: .md, .xml (JUnit), .json, or another for text
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Decide for the cells that were selected, where the run left others of the lab out
    #[arg(long)]
    pub partial: bool,
}

/// Writes the report; 0 where it was written, whatever the gate. `plan` gives the whole plan of the lab as it is now.
pub fn run(
    args: &ReportArgs,
    state: &State,
    lab: Option<&str>,
    plan: &dyn Fn() -> Result<Option<Plan>, UserError>,
    colour: Colour,
) -> Result<u8, UserError> {
    let run = state.resolve(&args.run, lab)?;
    let now = now();
    let mut decided = Decided::load(state, &run, now)?;
    if args.partial {
        decided = decided.in_part();
    }
    let format = form(args);
    let mut summary = Summary::of(&decided);
    summary.since = since(&decided, plan(), now);
    match &args.output {
        Some(path) => print::report_to(path, &summary, format)?,
        None => print::report(&summary, format, colour)?,
    }
    Ok(exit_code::OPEN)
}

/// What has come since a run was made, for the report, which tells its decision and makes no other.
fn since(decided: &Decided, plan: Result<Option<Plan>, UserError>, now: Timestamp) -> Vec<String> {
    let lab = match plan {
        Ok(Some(plan)) => outdated::changed(&decided.journal.plan, &plan).map(|reason| reason.text),
        Ok(None) => Some(outdated::unheld().text),
        Err(error) if error.findings.is_empty() => {
            Some(format!("the lab here cannot be compared with it: {error}"))
        }
        Err(_) => Some("the lab here cannot be compared with it: `patchgate check` tells why".to_owned()),
    };
    let age = decided.began().and_then(|began| outdated::aged(began, now, None));
    age.map(|reason| reason.text).into_iter().chain(lab).collect()
}

/// The form that is asked for.
fn form(args: &ReportArgs) -> Format {
    match (args.format, &args.output) {
        (Some(format), _) => format.into(),
        (None, Some(path)) => Format::of_file(path).unwrap_or_default(),
        (None, None) => Format::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_what_is_asked_for_or_what_the_file_is_called() {
        let asked = |format, output: Option<&str>| {
            form(&ReportArgs {
                run: "latest".to_owned(),
                format,
                output: output.map(PathBuf::from),
                partial: false,
            })
        };
        assert_eq!(asked(None, None), Format::Text);
        assert_eq!(asked(None, Some("a/report.md")), Format::Markdown);
        assert_eq!(asked(None, Some("report.xml")), Format::Junit);
        assert_eq!(asked(None, Some("report")), Format::Text);
        assert_eq!(asked(Some(ReportFormat::Json), Some("report.md")), Format::Json);
    }

    #[test]
    fn an_unknown_run_and_an_empty_state_say_what_to_do() {
        let folder = tempfile::tempdir().expect("folder");
        let state = State::at(folder.path().to_owned());
        let args = ReportArgs {
            run: "latest".to_owned(),
            format: None,
            output: None,
            partial: false,
        };
        let error = run(&args, &state, None, &|| Ok(None), Colour::Never).expect_err("no run");
        assert_eq!(error.exit, exit_code::USAGE);
        assert_eq!(error.message, "no run yet");
        assert_eq!(error.hint.as_deref(), Some("start one with `patchgate run`"));
    }
}
