//! `patchgate scenario`: what helps those who write scenarios.

use std::path::Path;

use clap::{Args, Subcommand};

use crate::cli::error::UserError;
use crate::cli::runtime;
use crate::cli::schema::{self, Kind};

pub mod show;
mod trial;

/// Arguments of `scenario`.
#[derive(Debug, Args)]
pub struct ScenarioArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ScenarioCommand,
}

impl ScenarioArgs {
    /// Whether it can do nothing without hosts.
    pub fn needs_hosts(&self) -> bool {
        match self.command {
            ScenarioCommand::Try(_) => true,
            ScenarioCommand::Schema => false,
        }
    }
}

/// The verbs of `scenario`.
#[derive(Debug, Subcommand)]
pub enum ScenarioCommand {
    /// Run a scenario on fresh clones without updates, show each step as it goes, and remove the clones.
    Try(trial::TryArgs),
    /// The same as `patchgate schema scenario`.
    Schema,
}

/// Runs the verb.
pub fn run(args: ScenarioArgs, lab: Option<&Path>) -> Result<u8, UserError> {
    match args.command {
        ScenarioCommand::Try(args) => runtime::block_on(trial::run(args, lab)),
        ScenarioCommand::Schema => schema::run(Kind::Scenario),
    }
}
