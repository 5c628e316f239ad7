//! `patchgate history`: every run, its decision and how long it took.

use clap::Args;

use crate::cli::args::{Colour, Format};
use crate::cli::error::UserError;
use crate::cli::exit_code;
use crate::cli::print::{json, print, style};
use crate::decide::history;
use crate::record::state::State;
use crate::report;
use crate::session::begin::now;

/// What `patchgate history` takes.
#[derive(Debug, Clone, Args)]
pub struct HistoryArgs {
    /// The form
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Prints every run, newest first. A run whose journal cannot be read is listed with the reason.
pub fn run(args: &HistoryArgs, state: &State, lab: Option<&str>, colour: Colour) -> Result<u8, UserError> {
    let rows = history::rows(state, lab, now())?;
    print(&match args.format {
        Format::Json => json("the runs", &rows)?,
        Format::Text => report::history::text(&rows, style(colour).colour),
    })?;
    Ok(exit_code::OPEN)
}
