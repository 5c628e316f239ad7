//! `patchgate scenario`: what helps those who write scenarios.

use std::path::Path;

use clap::{Args, Subcommand};

use crate::cli::{block_on, report, scenario_try};
use crate::error::UserError;
use crate::exit_code;
use crate::lab::schema;

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
    Try(scenario_try::TryArgs),
    /// Print the JSON Schema of a scenario file, for editors: `#:schema scenario.schema.json` as its first line.
    Schema,
}

/// Runs the verb.
pub fn run(args: ScenarioArgs, lab: Option<&Path>) -> Result<u8, UserError> {
    match args.command {
        ScenarioCommand::Try(args) => block_on(scenario_try::run(args, lab)),
        ScenarioCommand::Schema => {
            let text = serde_json::to_string_pretty(&schema::scenario()).map_err(|error| {
                UserError::usage(format!("the schema cannot be written as JSON: {error}"))
            })?;
            report::print(&format!("{text}\n"))?;
            Ok(exit_code::OPEN)
        }
    }
}
