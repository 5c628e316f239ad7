//! `patchgate scenario`: what a department needs while it writes its scenarios.

use std::path::Path;

use clap::{Args, Subcommand};

use super::{block_on, scenario_try};
use crate::error::UserError;

/// Arguments of `scenario`.
#[derive(Debug, Args)]
pub struct ScenarioArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ScenarioCommand,
}

/// The verbs below `scenario`.
#[derive(Debug, Subcommand)]
pub enum ScenarioCommand {
    /// Run a scenario on fresh clones without updates, show each step as it goes, and remove the clones.
    Try(scenario_try::TryArgs),
}

/// Runs the verb.
pub fn run(args: ScenarioArgs, lab: Option<&Path>) -> Result<u8, UserError> {
    match args.command {
        ScenarioCommand::Try(args) => block_on(scenario_try::run(args, lab)),
    }
}
