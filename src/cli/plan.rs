//! `patchgate plan`: what `run` would do, before it does it.

use std::fmt::Write;
use std::path::Path;

use clap::Args;

use crate::cli::args::Format;
use crate::cli::error::UserError;
use crate::cli::print;
use crate::input::words::count;
use crate::lab::open;
use crate::report::plan::{self, Expecting};
use crate::session::inputs::{Inputs, expected};
use crate::session::predict::predict;

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Only these cells: patterns over group/os, a group, an OS version or a role, with commas; `!` leaves out
    #[arg(long, value_name = "EXPR")]
    pub select: Option<String>,
    /// How the plan is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// Prints the plan in the form that was asked for, with the time that it is expected to take.
pub fn run(args: &PlanArgs, lab: Option<&Path>) -> Result<(), UserError> {
    let inputs = Inputs::look(&open::find(lab)?, args.select.as_deref())?;
    let plan = &inputs.plan;
    let expected = predict(plan, &expected(&plan.lab));
    let text = match args.format {
        Format::Json => print::json("the plan", &Expecting { plan, expected })?,
        Format::Text => {
            let mut text = plan::text(plan, &expected.text());
            if !inputs.warnings.is_empty() {
                let warnings = count(inputs.warnings.len(), "warning");
                // Writing to a String cannot fail.
                let _ = writeln!(text, "\n{warnings}: `patchgate check` shows them");
            }
            text
        }
    };
    print::print(&text)
}
